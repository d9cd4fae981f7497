//! The settings of a run: what the command line says, else what the configuration file says, else the engine's default.
//!
//! What there is to set, and what it may be, is the engine's to say (`mynah_engine::Reading`); here are the file's own
//! sections, the flags, and the choice between the two.

mod check;
mod file;
mod flags;
mod merge;
mod source;

use std::path::Path;

use anyhow::{Context, Result};

use crate::args::RunArgs;
pub(crate) use check::{check, schema, table};
use file::File;
pub(crate) use merge::{INSTANCE, RunSettings};
use source::Source;

/// The file that is read without being named, from the current folder.
const FILE: &str = "mynah.toml";

/// The settings of a run.
pub(crate) fn settings(args: &RunArgs) -> Result<RunSettings> {
    let source = match &args.config {
        Some(path) => Some(
            Source::read(path)
                .with_context(|| format!("the configuration {} can't be read", path.display()))?,
        ),
        None if args.no_config => None,
        None => found()?,
    };
    let Some(source) = source else {
        return merge::merge(args, File::default(), &Source::default());
    };
    tracing::info!(file = source.name(), "settings are read from a file");
    let file = file::parse(&source, false)?;
    for warning in &file.warnings {
        tracing::warn!("{}", source.at(warning));
    }
    merge::merge(args, file, &source)
}

/// The file in the current folder, if there is one.
fn found() -> Result<Option<Source>> {
    match Source::read(Path::new(FILE)) {
        Ok(source) => Ok(Some(source)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| {
            format!("{FILE} in this folder can't be read (`--no-config` does without it)")
        }),
    }
}
