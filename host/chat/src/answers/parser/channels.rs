//! Reads an answer that is a sequence of messages with headers, as gpt-oss writes it:
//! `<|channel|>analysis<|message|>`, the content, `<|end|><|start|>assistant`, the next header. A
//! header that names a function begins a call.

use super::super::format::Notation;
use super::input::{Input, Next, Progress};
use super::named::MAX_NAME;
use super::sink::Sink;
use super::values::Values;

pub(super) const MARKERS: [&str; 7] = [
    "<|start|>",
    "<|channel|>",
    "<|constrain|>",
    "<|message|>",
    "<|end|>",
    "<|call|>",
    "<|return|>",
];

/// What ends a header.
const MESSAGE: &str = "<|message|>";

/// What ends a content.
const ENDS: [&str; 5] = [
    "<|end|>",
    "<|call|>",
    "<|return|>",
    "<|start|>",
    "<|channel|>",
];

/// Largest length of a header in bytes.
const MAX_HEADER: usize = MAX_NAME + 256;

#[derive(Debug)]
pub(super) struct Channels {
    state: State,
    has_calls: bool,
}

#[derive(Debug)]
enum State {
    /// At the beginning: a header, or text without one.
    Start,
    Header,
    Content {
        is_reasoning: bool,
    },
    /// Before the arguments of a call.
    Before {
        name: String,
    },
    Arguments(Box<Values>),
    /// Behind the arguments: white space is no text.
    Behind,
}

impl Channels {
    pub(super) fn new(in_reasoning: bool, has_calls: bool) -> Self {
        let state = match in_reasoning {
            true => State::Content { is_reasoning: true },
            false => State::Start,
        };
        Self { state, has_calls }
    }

    pub(super) fn is_reasoning(&self) -> bool {
        matches!(self.state, State::Content { is_reasoning: true })
    }

    pub(super) fn step(&mut self, input: &mut Input, sink: &mut Sink) -> bool {
        match &mut self.state {
            State::Start => self.start(input),
            State::Header => self.header(input, sink),
            State::Content { is_reasoning } => {
                let is_reasoning = *is_reasoning;
                self.content(is_reasoning, input, sink)
            }
            State::Before { .. } => self.before(input, sink),
            State::Arguments(values) => {
                let mut out = String::new();
                let progress = values.step(input, &mut out);
                sink.arguments(&out);
                input.drop_kept();
                match progress {
                    Progress::Wait => return false,
                    Progress::Done => sink.complete(),
                    Progress::Fail => sink.give_up(),
                }
                self.state = match progress {
                    Progress::Done => State::Behind,
                    _ => State::Content {
                        is_reasoning: false,
                    },
                };
                true
            }
            State::Behind => {
                let has_more = input.skip_space();
                input.drop_kept();
                self.state = State::Content {
                    is_reasoning: false,
                };
                has_more
            }
        }
    }

    fn start(&mut self, input: &mut Input) -> bool {
        if input.rest().is_empty() {
            return false;
        }
        let begins = ["<|channel|>", "<|start|>", MESSAGE, " to="];
        let nexts = begins.map(|begin| input.next_is(begin));
        if nexts.contains(&Next::Yes) {
            self.state = State::Header;
        } else if nexts.contains(&Next::Unknown) {
            return false;
        } else {
            self.state = State::Content {
                is_reasoning: false,
            };
        }
        true
    }

    fn header(&mut self, input: &mut Input, sink: &mut Sink) -> bool {
        match input.next_is(MESSAGE) {
            Next::Yes => {
                let header = Header::of(input.kept());
                input.skip(MESSAGE.len());
                self.begin(&header, input, sink);
                return true;
            }
            Next::Unknown => return false,
            Next::No => {}
        }
        if input.kept().len() > MAX_HEADER {
            self.is_text(input, sink);
            return true;
        }
        let Some(c) = input.next_char() else {
            return false;
        };
        input.skip(c.len_utf8());
        true
    }

    fn begin(&mut self, header: &Header, input: &mut Input, sink: &mut Sink) {
        let name = header.recipient.as_deref();
        let name = name.map(|name| name.strip_prefix("functions.").unwrap_or(name));
        match name {
            Some(name) if self.has_calls && sink.may_be_name(name) => {
                let name = name.to_owned();
                self.state = State::Before { name };
            }
            // A call of something unknown.
            Some(_) => self.is_text(input, sink),
            None => {
                input.drop_kept();
                let is_reasoning = header.channel == "analysis";
                self.state = State::Content { is_reasoning };
            }
        }
    }

    fn before(&mut self, input: &mut Input, sink: &mut Sink) -> bool {
        if !input.skip_space() {
            if input.kept().len() > 2 * MAX_HEADER {
                self.is_text(input, sink);
            }
            return false;
        }
        let State::Before { name } = &self.state else {
            return false;
        };
        let opens = input.next_char() == Some('{');
        if opens && sink.start(name, None) {
            input.drop_kept();
            self.state = State::Arguments(Box::new(Values::new(&Notation::Json)));
        } else {
            self.is_text(input, sink);
        }
        true
    }

    fn content(&mut self, is_reasoning: bool, input: &mut Input, sink: &mut Sink) -> bool {
        let Some(c) = input.next_char() else {
            return false;
        };
        let nexts = ENDS.map(|end| input.next_is(end));
        if let Some(at) = nexts.iter().position(|next| *next == Next::Yes) {
            let end = ENDS.get(at).copied().unwrap_or_default();
            // A header follows, which begins with the last two of them.
            if !matches!(end, "<|start|>" | "<|channel|>") {
                input.skip(end.len());
                input.drop_kept();
            }
            self.state = match end {
                "<|start|>" | "<|channel|>" => State::Header,
                _ => State::Start,
            };
            return true;
        }
        if nexts.contains(&Next::Unknown) {
            return false;
        }
        input.skip(c.len_utf8());
        match is_reasoning {
            true => sink.reasoning(input.kept()),
            false => sink.text(input.kept()),
        }
        input.drop_kept();
        true
    }

    /// What was read is no header, or that of no call.
    fn is_text(&mut self, input: &mut Input, sink: &mut Sink) {
        sink.text(input.kept());
        input.drop_kept();
        self.state = State::Content {
            is_reasoning: false,
        };
    }

    pub(super) fn end(&mut self, input: &mut Input, sink: &mut Sink) {
        let rest = [input.kept(), input.rest()].concat();
        match &self.state {
            State::Content { is_reasoning: true } => sink.reasoning(&rest),
            State::Start | State::Header | State::Content { .. } | State::Before { .. } => {
                sink.text(&rest);
            }
            State::Arguments(_) | State::Behind => {}
        }
    }
}

/// What a header says.
struct Header {
    channel: String,
    recipient: Option<String>,
}

impl Header {
    fn of(text: &str) -> Self {
        let word = |text: &str| {
            let ends = |c: char| c.is_whitespace() || c == '<';
            text.split(ends).next().unwrap_or_default().to_owned()
        };
        let channel = text.rsplit_once("<|channel|>");
        let recipient = text.split_once("to=");
        Self {
            channel: channel.map(|(_, rest)| word(rest)).unwrap_or_default(),
            recipient: recipient.map(|(_, rest)| word(rest)),
        }
    }
}
