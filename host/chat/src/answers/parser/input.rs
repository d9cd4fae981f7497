//! What a parser has not dealt with yet.

/// Text that came and is not yet an event: first what was read and may become text again, then what
/// was not read.
#[derive(Debug, Default)]
pub(super) struct Input {
    text: String,
    from: usize,
    at: usize,
    is_over: bool,
}

/// Whether something is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Yes,
    No,
    /// More text decides it.
    Unknown,
}

/// How far a reader got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It needs more text.
    Wait,
    Done,
    /// What is next does not belong there.
    Fail,
}

impl Input {
    pub(super) fn push(&mut self, text: &str) {
        self.text.drain(..self.from);
        self.at -= self.from;
        self.from = 0;
        self.text.push_str(text);
    }

    /// No more text comes.
    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    /// What was not read.
    pub(super) fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// What was read and may become text again.
    pub(super) fn kept(&self) -> &str {
        self.text.get(self.from..self.at).unwrap_or_default()
    }

    /// Reads the next bytes, which must end with a character.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.at = (self.at + bytes).min(self.text.len());
    }

    /// What was read does not become text.
    pub(super) fn drop_kept(&mut self) {
        self.from = self.at;
    }

    pub(super) fn next_char(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Reads white space. Whether something else is next.
    pub(super) fn skip_space(&mut self) -> bool {
        let rest = self.rest();
        let space = rest.len() - rest.trim_start().len();
        self.skip(space);
        !self.rest().is_empty()
    }

    /// Whether this text is next.
    pub(super) fn next_is(&self, text: &str) -> Next {
        let rest = self.rest();
        if rest.starts_with(text) {
            return Next::Yes;
        }
        match !self.is_over && text.starts_with(rest) {
            true => Next::Unknown,
            false => Next::No,
        }
    }

    /// Reads this text, if it is next.
    pub(super) fn read(&mut self, text: &str) -> Next {
        let next = self.next_is(text);
        if next == Next::Yes {
            self.skip(text.len());
        }
        next
    }
}

/// Pieces of a marker that are to be read, with any white space before each.
#[derive(Debug, Clone)]
pub(super) struct Atoms {
    atoms: Vec<String>,
    at: usize,
}

impl Atoms {
    pub(super) fn of(marker: &str) -> Self {
        Self {
            atoms: super::super::format::atoms(marker),
            at: 0,
        }
    }

    /// The next piece.
    pub(super) fn first(&self) -> Option<&str> {
        self.atoms.get(self.at).map(String::as_str)
    }

    /// Reads as much of the marker as there is.
    pub(super) fn step(&mut self, input: &mut Input) -> Progress {
        while let Some(atom) = self.atoms.get(self.at) {
            if !input.skip_space() && !input.is_over {
                return Progress::Wait;
            }
            match input.read(atom) {
                Next::Yes => self.at += 1,
                Next::No => return Progress::Fail,
                Next::Unknown => return Progress::Wait,
            }
        }
        Progress::Done
    }
}
