//! All output of the command itself: results to stdout, messages to stderr.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::CommandFactory;
use clap_complete::Shell;
use mynah_core::files::is_same;

use crate::args::Cli;
use crate::mistakes;

/// Whether the last line that guests wrote has no end yet.
static IS_IN_LINE: AtomicBool = AtomicBool::new(false);

/// Notes what a guest wrote to stdout or stderr.
pub(crate) fn guest_wrote(bytes: &[u8]) {
    if let Some(last) = bytes.last() {
        IS_IN_LINE.store(*last != b'\n', Ordering::Relaxed);
    }
}

/// Prints a message to stderr. Where a guest's unfinished line is in the same place, it begins on
/// the next line.
fn message(text: &dyn fmt::Display) {
    let begin = if IS_IN_LINE.load(Ordering::Relaxed) && are_one_place() {
        IS_IN_LINE.store(false, Ordering::Relaxed);
        "\n"
    } else {
        ""
    };
    // If stderr is closed, the message cannot be shown.
    let _ = writeln!(io::stderr().lock(), "{begin}{text}");
}

/// Whether stdout and stderr are one terminal, file or pipe.
fn are_one_place() -> bool {
    let about = |place: BorrowedFd<'_>| {
        let file = File::from(place.try_clone_to_owned()?);
        file.metadata()
    };
    match (about(io::stdout().as_fd()), about(io::stderr().as_fd())) {
        (Ok(out), Ok(err)) => is_same(&out, &err),
        _ => false,
    }
}

/// Prints a result. A closed pipe (`mynah doctor | head -1`) is not an error.
pub(crate) fn print(answer: &dyn fmt::Display) -> anyhow::Result<ExitCode> {
    let mut stdout = io::stdout().lock();
    match write!(stdout, "{answer}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Prints an error, each problem on one line.
pub(crate) fn error(error: &anyhow::Error) {
    for line in mistakes::lines(error) {
        message(&format_args!("error: {line}"));
    }
}

/// Prints an error on one line, and the guest's functions below it.
pub(crate) fn error_in_guest(error: &anyhow::Error, functions: &str) {
    let text = format!("{error:#}").replace('\n', " ");
    message(&format_args!("error: {text}{functions}"));
}

/// Prints a progress message to stderr.
pub(crate) fn note(text: &str) {
    message(&text);
}

/// Prints a warning to stderr.
pub(crate) fn warning(text: &str) {
    message(&format_args!("warning: {text}"));
}

/// Prints the completion script for a shell.
pub(crate) fn completions(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mynah", &mut script);
    print(&String::from_utf8(script)?)
}

/// A table with columns as wide as their widest entry. The last cell of a row has no padding and
/// may have several lines.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    cells: Vec<String>,
    last: String,
}

impl Table {
    /// Adds a row with a name and a value.
    pub(crate) fn row(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.wide_row([name.into()], value);
    }

    /// Adds a row with any number of cells.
    pub(crate) fn wide_row(
        &mut self,
        cells: impl IntoIterator<Item = String>,
        last: impl Into<String>,
    ) {
        self.rows.push(Row {
            cells: cells.into_iter().collect(),
            last: last.into(),
        });
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths = Vec::new();
        for Row { cells, .. } in &self.rows {
            widths.resize(widths.len().max(cells.len()), 0);
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = cell.chars().count().max(*width);
            }
        }
        widths
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for Row { cells, last } in &self.rows {
            for (number, line) in last.lines().enumerate() {
                for (cell, width) in cells.iter().zip(&widths) {
                    let cell = if number == 0 { cell } else { "" };
                    write!(f, "{cell:width$}  ")?;
                }
                writeln!(f, "{line}")?;
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

    #[test]
    fn a_row_may_have_more_cells_and_a_last_one_of_any_width() {
        let mut table = Table::default();
        table.row("file", "a name that is longer than any column");
        let cells = |cells: [&str; 2]| cells.map(str::to_owned);
        table.wide_row(cells(["size", "10"]), "20");
        table.wide_row(cells(["speed", "100"]), "200");
        assert_eq!(
            table.to_string(),
            "file   a name that is longer than any column\nsize   10   20\nspeed  100  200\n"
        );
    }
}
