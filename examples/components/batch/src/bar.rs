//! A progress bar on one line of stderr, where that is a terminal.

use std::io::{self, IsTerminal};

/// Characters of the bar.
const WIDTH: usize = 40;

/// So many of so many.
pub struct Bar {
    done: usize,
    all: usize,
    shown: bool,
}

impl Bar {
    /// Shows nothing done of `all`.
    pub fn new(all: usize) -> Self {
        let bar = Self {
            done: 0,
            all,
            shown: all > 0 && io::stderr().is_terminal(),
        };
        bar.draw();
        bar
    }

    /// One more is done.
    pub fn advance(&mut self) {
        self.done += 1;
        self.draw();
    }

    /// Makes room for a line of text.
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
