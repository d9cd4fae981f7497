//! `mynah inspect`: what a guest imports and exports, and which grants it will need.

mod component;
mod found;
mod module;
mod served;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::guest::{self, Kind};
use crate::output::{self, Table};

/// Maximum number of missing imports in a message.
const MOST_SHOWN: usize = 20;

/// Prints the report.
pub(crate) fn inspect(path: &Path) -> Result<ExitCode> {
    let (kind, bytes) = guest::read(path)?;
    let found = match kind {
        Kind::Component => component::look(&bytes),
        Kind::Module => module::look(&bytes),
    };
    let found =
        found.with_context(|| format!("{} can't be read as a {}", path.display(), kind.name()))?;
    let mut table = Table::default();
    table.row(kind.name(), path.display().to_string());
    table.row("imports", lines(found.imports));
    table.row("exports", lines(found.exports));
    table.row("runs", found.runs);
    table.row("grants", lines(found.grants.into_iter().map(str::to_owned)));
    output::print(&table)
}

/// Checks that the host serves everything that a guest imports, within milliseconds. A file that
/// can't be read passes, because compiling it tells more.
///
/// # Errors
///
/// All imports that the host lacks, each with the reason.
pub(crate) fn check_imports(kind: Kind, bytes: &[u8], path: &Path) -> Result<()> {
    let missing = match kind {
        Kind::Component => component::missing(bytes),
        Kind::Module => module::missing(bytes),
    };
    let missing = missing.unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    // A file may have any number of them.
    let shown = missing.iter().take(MOST_SHOWN);
    let mut shown: Vec<String> = shown
        .map(|(import, reason)| format!("{} ({reason})", import.escape_debug()))
        .collect();
    if missing.len() > MOST_SHOWN {
        shown.push(format!("and {} more", missing.len() - MOST_SHOWN));
    }
    let http = match missing
        .iter()
        .any(|(name, _)| name.starts_with("wasi:http/"))
    {
        true => "; for JavaScript, `jco componentize` has `--disable http`",
        false => "",
    };
    bail!(
        "{} imports what this host does not serve: {}. Build it without them{http} (`mynah \
         inspect` shows all its imports)",
        path.display(),
        shown.join(", ")
    )
}

fn lines(lines: impl IntoIterator<Item = String>) -> String {
    let lines: Vec<String> = lines.into_iter().collect();
    if lines.is_empty() {
        "none".to_owned()
    } else {
        lines.join("\n")
    }
}
