//! The text of an answer on its way to its reader: token bytes become characters, stop strings are
//! looked for, and the rest is written.

use mynah_core::log::shows_content;
use mynah_core::{Event, Outcome, Result, StreamWriter, TokenProbs};

use super::characters::Characters;
use super::stop::StopMatcher;

/// The text of an answer on its way to its reader.
#[derive(Debug)]
pub(super) struct Answer {
    characters: Characters,
    stop: StopMatcher,
    writer: StreamWriter,
    // All its text, if the log is to have it.
    logged: Option<String>,
}

impl Answer {
    pub(super) fn new(stop: Vec<String>, writer: StreamWriter) -> Self {
        Self {
            characters: Characters::default(),
            stop: StopMatcher::new(stop),
            writer,
            logged: shows_content().then(String::new),
        }
    }

    /// Whether the reader asked for an end, or went away.
    pub(super) fn is_cancelled(&self) -> bool {
        self.writer.is_cancelled()
    }

    /// Whether the reader must read before more is written.
    pub(super) fn is_full(&self) -> bool {
        self.writer.is_full()
    }

    /// Adds the bytes of a token. `tokens` is the number of tokens of the answer including it.
    /// Returns whether a stop string ends the answer.
    pub(super) fn push(&mut self, piece: &[u8], tokens: u32) -> bool {
        let mut text = String::new();
        self.characters.push(piece, &mut text);
        let mut ready = String::new();
        let is_stopped = self.stop.push(&text, &mut ready);
        self.write(&ready, tokens);
        if is_stopped {
            // Bytes of the token after the stop string are not part of the answer either.
            self.characters = Characters::default();
        }
        is_stopped
    }

    /// Writes a token and how likely it was.
    pub(super) fn push_token(&mut self, token: TokenProbs, tokens: u32) {
        self.writer.push_event(Event::Token(token), tokens);
    }

    /// Writes the text that was held back, since nothing comes after it. Returns the whole text if
    /// the log is to have it.
    pub(super) fn flush(&mut self, tokens: u32) -> Option<&str> {
        let mut rest = String::new();
        self.stop.finish(&mut rest);
        self.characters.finish(&mut rest);
        self.write(&rest, tokens);
        self.logged.as_deref()
    }

    /// Gives the reader the end.
    pub(super) fn finish(self, end: Result<Outcome>) {
        self.writer.finish(end);
    }

    fn write(&mut self, text: &str, tokens: u32) {
        self.writer.push(text, tokens);
        if let Some(logged) = &mut self.logged {
            logged.push_str(text);
        }
    }
}
