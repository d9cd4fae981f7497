//! The settings of a run: the command line wins over the configuration file, which wins over the
//! engine's default.
//!
//! The engine defines its settings and their ranges (`mynah_settings::Reading`). This module has
//! the file's own sections, the flags, and the merging.

mod check;
mod file;
mod flags;
mod merge;
mod own;
mod source;

use std::path::Path;

use anyhow::{Context, Result};

use crate::args::{LogArgs, RunArgs};
pub(crate) use check::{check, schema, table};
use file::File;
pub(crate) use merge::{INSTANCE, RunSettings};
use source::Source;

/// The file in the current folder that is read by default.
const FILE: &str = "mynah.toml";

/// The settings of a run, and the messages about the file, which are logged once the log has
/// started.
pub(crate) fn settings(args: &RunArgs, log: &LogArgs) -> Result<(RunSettings, FileRead)> {
    let source = match &args.config {
        Some(path) => Some(
            Source::read(path)
                .with_context(|| format!("the configuration {} can't be read", path.display()))?,
        ),
        None if args.no_config => None,
        None => found()?,
    };
    let Some(source) = source else {
        let settings = merge::merge(args, log, File::default(), &Source::default())?;
        return Ok((settings, FileRead::default()));
    };
    let file = file::parse(&source, false)?;
    let warnings = file.warnings.iter().map(|warning| source.at(warning));
    let read = FileRead {
        warnings: warnings.collect(),
        name: Some(source.name().to_owned()),
    };
    Ok((merge::merge(args, log, file, &source)?, read))
}

/// The answer of a running host to the request to read its settings again: it keeps them, and
/// checks those of the file.
///
/// # Errors
///
/// The file cannot be used at the next start.
pub(crate) fn reload(args: &RunArgs, log: &LogArgs) -> Result<String> {
    const KEPT: &str = "this host keeps the settings that it started with, because they size its \
                        models: restart it to use others (SIGTERM lets requests end). `mynah log` \
                        changes the log filter";
    let (_, file) = settings(args, log)
        .with_context(|| format!("{KEPT}. A restart would fail, mend this first"))?;
    Ok(match file.name {
        Some(file) => format!("{file} has no errors, but {KEPT}"),
        None => format!("there is no configuration file, and {KEPT}"),
    })
}

/// Messages about a file that was read.
#[derive(Debug, Default)]
pub(crate) struct FileRead {
    name: Option<String>,
    warnings: Vec<String>,
}

impl FileRead {
    /// Writes the messages to the log.
    pub(crate) fn tell(&self) {
        if let Some(file) = &self.name {
            tracing::info!(file, "settings are read from a file");
        }
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
    }
}

/// Reads the file in the current folder, if there is one.
fn found() -> Result<Option<Source>> {
    match Source::read(Path::new(FILE)) {
        Ok(source) => Ok(Some(source)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| {
            format!("{FILE} in this folder can't be read (`--no-config` does without it)")
        }),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    /// What a host says that was started with this file, after the file has this text.
    fn reloaded(text: &str) -> Result<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mynah.toml");
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap();
        let cli = Cli::parse_from(["mynah", "run", "--config", path, "guest.wasm"]);
        let Command::Run(args) = cli.command else {
            panic!("`run` was parsed as something else");
        };
        reload(&args, &cli.log)
    }

    /// Newcomer 24.
    #[test]
    fn a_reload_says_that_settings_stay_and_whether_a_restart_would_accept_the_file() {
        let said = reloaded("[run]\ntimeout = '3s'\n").unwrap();
        assert!(said.contains("mynah.toml has no errors"), "{said}");
        assert!(said.contains("keeps the settings"), "{said}");
        let error = format!("{:#}", reloaded("[run]\ntimeout = '3'\n").unwrap_err());
        assert!(error.contains("keeps the settings"), "{error}");
        assert!(error.contains("A restart would fail"), "{error}");
        assert!(error.contains("timeout"), "{error}");
    }
}
