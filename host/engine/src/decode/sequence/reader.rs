//! Reads reasoning and calls out of an answer, and ends the reasoning when its budget is used up.

use std::collections::VecDeque;

use mynah_chat::{AnswerParser, Piece};
use mynah_core::{Event, FinishReason, Reading, TokenId};

/// How an answer is read.
#[derive(Debug)]
pub(crate) struct AnswerReader {
    pub(crate) parser: AnswerParser,
    /// Whether the reader of the answer gets events, or text as the model writes it.
    pub(crate) reading: Reading,
    /// Maximum number of tokens of the reasoning.
    pub(crate) budget: Option<u32>,
    /// The tokens that end the reasoning.
    pub(crate) closing: Vec<TokenId>,
    /// The tokens of white space between the end of the reasoning and a form.
    pub(crate) space_before_form: Vec<TokenId>,
}

/// An answer that is being read.
#[derive(Debug)]
pub(super) struct Reader {
    // `None` once the answer has ended.
    parser: Option<AnswerParser>,
    is_text: bool,
    reasoning_tokens: u32,
    budget: Option<u32>,
    closing: Vec<TokenId>,
    space_before_form: Vec<TokenId>,
    // The tokens that must come next.
    forced: VecDeque<TokenId>,
    // Whether the calls of the answer are whole, once it has ended.
    has_called: bool,
}

impl Reader {
    pub(super) fn new(answer: AnswerReader) -> Self {
        let mut reader = Self {
            parser: Some(answer.parser),
            is_text: answer.reading == Reading::Text,
            reasoning_tokens: 0,
            budget: answer.budget,
            closing: answer.closing,
            space_before_form: answer.space_before_form,
            forced: VecDeque::new(),
            has_called: false,
        };
        reader.force();
        reader
    }

    /// Whether what comes next is reasoning.
    pub(super) fn is_reasoning(&self) -> bool {
        self.parser.as_ref().is_some_and(AnswerParser::is_reasoning)
    }

    /// Number of tokens of the reasoning so far.
    pub(super) fn reasoning_tokens(&self) -> u32 {
        self.reasoning_tokens
    }

    /// The token that must come next: the reasoning has used up its budget, or ended before a form.
    pub(super) fn forced(&self) -> Option<TokenId> {
        self.forced.front().copied()
    }

    /// Reads a piece of the answer. Returns the events that are certain now.
    pub(super) fn push(&mut self, piece: Piece<'_>) -> Vec<Event> {
        let parser = self.parser.as_mut();
        parser.map_or_else(Vec::new, |parser| parser.push(piece))
    }

    /// Counts the token that was read last, which came while the model was reasoning or not.
    /// `is_whole` tells whether it ended with a character.
    pub(super) fn count(&mut self, was_reasoning: bool, is_whole: bool) {
        let is_reasoning = self.is_reasoning();
        let was_forced = self.forced.pop_front().is_some();
        if was_forced || was_reasoning || is_reasoning {
            self.reasoning_tokens += 1;
        }
        if was_forced {
            return;
        }
        if was_reasoning && !is_reasoning {
            self.forced = self.space_before_form.iter().copied().collect();
        } else if is_whole {
            self.force();
        }
    }

    /// Ends the reasoning if its budget is used up.
    fn force(&mut self) {
        let is_over = self
            .budget
            .is_some_and(|most| self.reasoning_tokens >= most);
        if is_over && self.is_reasoning() {
            self.forced = self.closing.iter().copied().collect();
            // Once: a model that goes on all the same can't be stopped by the same words.
            self.budget = None;
        }
    }

    /// Whether the reader of the answer gets its text as the model writes it.
    pub(super) fn is_text(&self) -> bool {
        self.is_text
    }

    /// Reads the end of the answer. Returns the events that were held back.
    pub(super) fn end(&mut self) -> Vec<Event> {
        let Some(parser) = self.parser.take() else {
            return Vec::new();
        };
        let end = parser.end();
        self.has_called = end.calls > 0 && end.incomplete.is_empty();
        end.events
    }

    /// The reason of an answer that ended for this reason.
    pub(super) fn reason(&self, reason: FinishReason) -> FinishReason {
        match reason {
            FinishReason::EndOfGeneration if self.has_called && !self.is_text => {
                FinishReason::ToolCalls
            }
            reason => reason,
        }
    }
}
