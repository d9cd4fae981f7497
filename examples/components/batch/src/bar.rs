//! A progress bar on one line of stderr, if stderr is a terminal.

use std::io::{self, IsTerminal};

/// Width of the bar in characters.
const WIDTH: usize = 40;

/// The number of finished items out of all items.
pub struct Bar {
    done: usize,
    all: usize,
    shown: bool,
}

impl Bar {
    /// Shows an empty bar for `all` items.
    pub fn new(all: usize) -> Self {
        let bar = Self {
            done: 0,
            all,
            shown: all > 0 && io::stderr().is_terminal(),
        };
        bar.draw();
        bar
    }

    /// Counts one more item as finished.
    pub fn advance(&mut self) {
        self.done += 1;
        self.draw();
    }

    /// Clears the bar's line so that a line of text can be printed.
    pub fn clear(&self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }

    fn draw(&self) {
        if self.shown {
            let full = WIDTH * self.done / self.all;
            let (full, rest) = ("#".repeat(full), "-".repeat(WIDTH - full));
            eprint!("\r[{full}{rest}] {}/{}", self.done, self.all);
        }
    }
}
