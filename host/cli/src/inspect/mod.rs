//! `mynah inspect`: what a guest imports and exports, and which grants it will need.

mod component;
mod found;
mod module;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::guest::{self, Kind};
use crate::output::{self, Table};

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

fn lines(lines: impl IntoIterator<Item = String>) -> String {
    let lines: Vec<String> = lines.into_iter().collect();
    if lines.is_empty() {
        "none".to_owned()
    } else {
        lines.join("\n")
    }
}
