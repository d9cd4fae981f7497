//! Everything that the command itself prints, in one place: answers to stdout, words to stderr.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;

/// Prints an answer. A reader that has gone away (`mynah doctor | head -1`) is no error.
pub(crate) fn print(answer: &dyn fmt::Display) -> anyhow::Result<ExitCode> {
    let mut stdout = io::stdout().lock();
    match write!(stdout, "{answer}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Prints an error on one line, from the outermost context to the cause.
pub(crate) fn error(error: &anyhow::Error) {
    let text = format!("{error:#}").replace('\n', " ");
    // Nobody is left to tell if stderr is gone.
    let _ = writeln!(io::stderr().lock(), "error: {text}");
}

/// Prints the completion script for a shell.
pub(crate) fn completions(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mynah", &mut script);
    print(&String::from_utf8(script)?)
}

/// A table of two columns, with the left one as wide as its widest entry.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<(String, String)>,
}

impl Table {
    pub(crate) fn row(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.rows.push((name.into(), value.into()));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.rows.iter().map(|(name, _)| name.chars().count());
        let width = names.max().unwrap_or(0);
        for (name, value) in &self.rows {
            let mut name = name.as_str();
            for line in value.lines() {
                writeln!(f, "{name:width$}  {line}")?;
                name = "";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_long_values_continue_below() {
        let mut table = Table::default();
        table.row("a", "1\n2");
        table.row("long", "3");
        assert_eq!(table.to_string(), "a     1\n      2\nlong  3\n");
    }
}
