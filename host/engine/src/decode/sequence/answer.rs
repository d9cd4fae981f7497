//! An answer on its way to its reader. It joins the bytes of tokens to characters, splits these
//! into reasoning, calls and text, looks for stop strings in the text, and writes the rest.

use mynah_chat::Piece;
use mynah_core::log::shows_content;
use mynah_core::{Event, FinishReason, Outcome, Result, StreamWriter, TokenId, TokenProbs};

use super::characters::Characters;
use super::reader::{AnswerReader, Reader};
use super::stop::StopMatcher;

/// The bytes of a token.
#[derive(Debug, Clone, Copy)]
pub(in crate::decode) struct Spelling<'a> {
    /// Those of its text. A control token has none.
    pub(in crate::decode) text: &'a [u8],
    /// Those of the name of a control token.
    pub(in crate::decode) control: &'a [u8],
}

/// An answer on its way to its reader.
#[derive(Debug)]
pub(super) struct Answer {
    characters: Characters,
    // Without it all of the answer is text.
    reader: Option<Reader>,
    stop: StopMatcher,
    // Whether a stop string has ended it.
    is_stopped: bool,
    writer: StreamWriter,
    // All that the model writes, if the log is to have it.
    logged: Option<String>,
}

impl Answer {
    pub(super) fn new(
        stop: Vec<String>,
        reader: Option<AnswerReader>,
        writer: StreamWriter,
    ) -> Self {
        Self {
            characters: Characters::default(),
            reader: reader.map(Reader::new),
            stop: StopMatcher::new(stop),
            is_stopped: false,
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

    /// Whether what comes next is reasoning.
    pub(super) fn is_reasoning(&self) -> bool {
        self.reader.as_ref().is_some_and(Reader::is_reasoning)
    }

    /// Whether what comes next is not a part of the answer's form yet.
    pub(super) fn precedes_form(&self) -> bool {
        self.is_reasoning() || self.forced().is_some()
    }

    /// Number of tokens of the reasoning.
    pub(super) fn reasoning_tokens(&self) -> u32 {
        self.reader.as_ref().map_or(0, Reader::reasoning_tokens)
    }

    /// The token that must come next, because the model has reasoned for long enough.
    pub(super) fn forced(&self) -> Option<TokenId> {
        self.reader.as_ref().and_then(Reader::forced)
    }

    /// Adds a token. `tokens` is the number of tokens of the answer including it. Returns whether a
    /// stop string ends the answer.
    pub(super) fn push(&mut self, token: Spelling<'_>, tokens: u32) -> bool {
        let mut text = String::new();
        if !token.control.is_empty() {
            // No character goes on across a control token.
            self.characters.finish(&mut text);
        }
        self.characters.push(token.text, &mut text);
        let control = String::from_utf8_lossy(token.control);
        self.log(&text);
        self.log(&control);
        let Some(reader) = &mut self.reader else {
            return self.write_text(&text, tokens);
        };
        let was_reasoning = reader.is_reasoning();
        let mut events = reader.push(Piece::Text(&text));
        if !control.is_empty() {
            events.extend(reader.push(Piece::Control(&control)));
        }
        reader.count(was_reasoning, self.characters.is_whole());
        if reader.is_text() {
            return self.write_text(&text, tokens);
        }
        self.write_events(events, tokens)
    }

    /// Writes a token and how likely it was.
    pub(super) fn push_token(&mut self, token: TokenProbs, tokens: u32) {
        self.writer.push_event(Event::Token(token), tokens);
    }

    /// Writes what was held back, since nothing comes after it. Returns all that the model wrote if
    /// the log is to have it.
    pub(super) fn flush(&mut self, tokens: u32) -> Option<&str> {
        if self.is_stopped {
            // What comes after the stop string is not part of the answer.
            return self.logged.as_deref();
        }
        let mut rest = String::new();
        self.characters.finish(&mut rest);
        self.log(&rest);
        if let Some(reader) = &mut self.reader {
            let mut events = reader.push(Piece::Text(&rest));
            events.extend(reader.end());
            if !reader.is_text() {
                rest.clear();
                self.write_events(events, tokens);
            }
        }
        self.write_text(&rest, tokens);
        self.write_held(tokens);
        self.logged.as_deref()
    }

    /// The reason of an answer that ended for this reason and was flushed.
    pub(super) fn reason(&self, reason: FinishReason) -> FinishReason {
        let reader = self.reader.as_ref();
        reader.map_or(reason, |reader| reader.reason(reason))
    }

    /// Gives the reader the end.
    pub(super) fn finish(self, end: Result<Outcome>) {
        self.writer.finish(end);
    }

    /// Writes events. Returns whether a stop string ends the answer.
    fn write_events(&mut self, events: Vec<Event>, tokens: u32) -> bool {
        for event in events {
            match event {
                Event::Text(text) => {
                    if self.write_text(&text, tokens) {
                        return true;
                    }
                }
                event => {
                    self.write_held(tokens);
                    self.writer.push_event(event, tokens);
                }
            }
        }
        false
    }

    /// Writes text. Returns whether a stop string ends the answer.
    fn write_text(&mut self, text: &str, tokens: u32) -> bool {
        let mut ready = String::new();
        self.is_stopped = self.stop.push(text, &mut ready);
        self.writer.push(&ready, tokens);
        self.is_stopped
    }

    /// Writes the text that may be the beginning of a stop string, and is none.
    fn write_held(&mut self, tokens: u32) {
        let mut held = String::new();
        self.stop.finish(&mut held);
        self.writer.push(&held, tokens);
    }

    fn log(&mut self, text: &str) {
        if let Some(logged) = &mut self.logged {
            logged.push_str(text);
        }
    }
}
