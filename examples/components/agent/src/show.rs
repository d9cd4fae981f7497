//! Shows what the model does, each in a line of its own.

use std::io::{self, IsTerminal, Write};

/// Maximum number of characters of a call or a result.
const WIDTH: usize = 100;

/// What the line that is being written has in it.
#[derive(Clone, Copy, PartialEq)]
enum Line {
    Nothing,
    Reasoning,
    Text,
}

pub struct Show {
    line: Line,
    dims: bool,
}

impl Show {
    pub fn new() -> Self {
        Self {
            line: Line::Nothing,
            dims: io::stderr().is_terminal(),
        }
    }

    /// Shows a piece of reasoning, dimmed on a terminal.
    pub fn reasoning(&mut self, piece: &str) {
        if self.begin(Line::Reasoning) {
            eprint!("~ ");
        }
        if self.dims {
            eprint!("\x1b[2m{piece}\x1b[0m");
        } else {
            eprint!("{piece}");
        }
    }

    /// Prints a piece of the answer.
    pub fn text(&mut self, piece: &str) -> io::Result<()> {
        self.begin(Line::Text);
        let mut stdout = io::stdout().lock();
        stdout.write_all(piece.as_bytes())?;
        stdout.flush()
    }

    /// Shows a text in one line, and the rest of a longer one as its length.
    pub fn line(&mut self, text: &str) {
        self.begin(Line::Nothing);
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let shown: String = flat.chars().take(WIDTH).collect();
        match flat.len() - shown.len() {
            0 => eprintln!("{shown}"),
            more => eprintln!("{shown}… ({more} bytes more)"),
        }
    }

    /// Ends the line unless it has the same in it. Returns whether it did.
    fn begin(&mut self, line: Line) -> bool {
        let changes = self.line != line;
        if changes {
            match self.line {
                Line::Nothing => {}
                Line::Reasoning => eprintln!(),
                Line::Text => println!(),
            }
        }
        self.line = line;
        changes
    }
}

/// Ends the last line.
impl Drop for Show {
    fn drop(&mut self) {
        self.begin(Line::Nothing);
    }
}
