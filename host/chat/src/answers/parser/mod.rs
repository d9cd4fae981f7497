//! Reads an answer as it comes, and makes events of it.
//!
//! The parser reads one character at a time, so the same answer gives the same events however it
//! is cut. What may be the beginning of a marker or of a call is kept back; once it is known to be
//! none, all of it is text. Nothing is read twice.

mod channels;
mod input;
mod marked;
mod named;
mod object;
mod sink;
mod tagged;
#[cfg(test)]
mod tests;
mod text;
mod values;

use mynah_core::{Event, ToolChoice, Tools};

use self::channels::Channels;
use self::input::Input;
use self::marked::Marked;
use self::sink::Sink;
use super::format::{AnswerFormat, Around, Calls};

/// A piece of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text: whole characters.
    Text(&'a str),
    /// The spelling of a control token.
    Control(&'a str),
}

/// What an answer was, at its end.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerEnd {
    /// The last events.
    pub events: Vec<Event>,
    /// Number of calls that started.
    pub calls: u32,
    /// Numbers of the calls whose arguments are no whole JSON object: the answer was cut off within
    /// them, or the model wrote something else. At most 256.
    pub incomplete: Vec<u32>,
}

/// Reads one answer. See [`AnswerFormat::parser`].
#[derive(Debug)]
pub struct AnswerParser {
    input: Input,
    sink: Sink,
    markers: Markers,
    layout: Layout,
}

#[derive(Debug)]
enum Layout {
    Marked(Box<Marked>),
    Channels(Channels),
}

/// The texts that control tokens may be a part of.
#[derive(Debug)]
struct Markers(Vec<String>);

impl AnswerFormat {
    /// A parser of an answer. `in_reasoning` tells whether the prompt has opened the reasoning
    /// ([`opens_reasoning`](Self::opens_reasoning)). Calls are recognised if there are tools and
    /// the choice isn't `None`. `seed` is for the ids of calls whose ids the model doesn't write:
    /// the same seed gives the same ids.
    #[must_use]
    pub fn parser(&self, tools: &Tools, in_reasoning: bool, seed: u64) -> AnswerParser {
        let has_calls = tools.choice != ToolChoice::None && !tools.list.is_empty();
        let layout = match self.has_channels {
            true => Layout::Channels(Channels::new(in_reasoning, has_calls)),
            false => Layout::Marked(Box::new(Marked::new(self, in_reasoning, has_calls))),
        };
        AnswerParser {
            input: Input::default(),
            sink: Sink::new(tools, seed),
            markers: Markers::of(self, has_calls),
            layout,
        }
    }
}

impl AnswerParser {
    /// Reads a piece, and returns the events that are certain now. Neighbours of one kind are one
    /// event.
    ///
    /// Takes time in proportion to the piece. Keeps at most 64 KiB and a marker's length back.
    #[must_use]
    pub fn push(&mut self, piece: Piece<'_>) -> Vec<Event> {
        let text = match piece {
            Piece::Text(text) => text,
            Piece::Control(text) if self.markers.contain(text) => text,
            Piece::Control(_) => "",
        };
        let mut bytes = [0; 4];
        for c in text.chars() {
            self.input.push(c.encode_utf8(&mut bytes));
            self.run();
        }
        self.sink.take_events()
    }

    /// Whether what comes next is reasoning, as far as is known.
    #[must_use]
    pub fn is_reasoning(&self) -> bool {
        match &self.layout {
            Layout::Marked(marked) => marked.is_reasoning(),
            Layout::Channels(channels) => channels.is_reasoning(),
        }
    }

    /// Number of calls that started.
    #[must_use]
    pub fn calls(&self) -> u32 {
        self.sink.started()
    }

    /// The answer has ended. What was kept back is text.
    #[must_use]
    pub fn end(mut self) -> AnswerEnd {
        self.input.end();
        // In arguments that are cut off, what may be the beginning of a marker stays out.
        if !self.sink.has_open_call() {
            self.run();
        }
        match &mut self.layout {
            Layout::Marked(marked) => marked.end(&mut self.input, &mut self.sink),
            Layout::Channels(channels) => channels.end(&mut self.input, &mut self.sink),
        }
        self.sink.give_up();
        AnswerEnd {
            events: self.sink.take_events(),
            calls: self.sink.started(),
            incomplete: self.sink.incomplete(),
        }
    }

    fn run(&mut self) {
        let Self {
            input,
            sink,
            layout,
            ..
        } = self;
        match layout {
            Layout::Marked(marked) => while marked.step(input, sink) {},
            Layout::Channels(channels) => while channels.step(input, sink) {},
        }
    }
}

impl Markers {
    fn of(format: &AnswerFormat, has_calls: bool) -> Self {
        if format.has_channels {
            return Self(channels::MARKERS.map(str::to_owned).to_vec());
        }
        let around = |around: &Around| [around.begin.clone(), around.end.clone()];
        let mut markers = around(&format.text).to_vec();
        markers.extend(format.reasoning.iter().flat_map(around));
        if has_calls {
            let Calls {
                section,
                each,
                separator,
                body,
                ..
            } = &format.calls;
            markers.extend([section, each].into_iter().flat_map(around));
            markers.push(separator.clone());
            markers.extend(body.markers());
        }
        Self(markers)
    }

    fn contain(&self, token: &str) -> bool {
        let token = token.trim();
        !token.is_empty() && self.0.iter().any(|marker| marker.contains(token))
    }
}
