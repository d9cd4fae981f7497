//! Reads an answer that has markers around its reasoning and its calls.

use super::super::format::{AnswerFormat, Around, Body, Calls, atoms};
use super::input::{Atoms, Input, Next, Progress};
use super::named::NamedReader;
use super::object::{MAX_KEPT, ObjectReader};
use super::sink::Sink;
use super::tagged::TaggedReader;

/// Largest number of bytes of white space that is kept back before a marker.
const MAX_SPACE: usize = 1024;

#[derive(Debug)]
pub(super) struct Marked {
    reasoning: Option<Around>,
    calls: Calls,
    /// Whether the call is in a block of code, which a call without a marker may be.
    is_fenced: bool,
    /// What begins something within text.
    triggers: Vec<(String, Trigger)>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trigger {
    Reasoning,
    /// What only stands around text.
    Nothing,
    Section,
    Call,
    /// A call without a marker before it.
    Bare,
    /// The same in a block of code.
    Fence,
}

/// What opens and closes a block of code.
const FENCE: [&str; 2] = ["```json", "```"];

#[derive(Debug)]
enum State {
    /// In text, or before anything.
    Text(Place),
    Reasoning {
        is_begun: bool,
    },
    /// In the marker before a call.
    Opening {
        atoms: Atoms,
        in_section: bool,
    },
    Body {
        reader: Reader,
        in_section: bool,
    },
    /// In the marker after a call.
    Closing {
        atoms: Atoms,
        in_section: bool,
    },
    /// After a call: another one, or the end of all.
    Between {
        in_section: bool,
    },
    /// In the marker after all calls.
    SectionEnd(Atoms),
}

/// Where in the text it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the beginning of the answer: white space is text, if text follows.
    Start,
    /// Behind a marker: white space is none.
    Behind,
    /// Within text.
    Within,
}

#[derive(Debug)]
enum Reader {
    Object(Box<ObjectReader>),
    Named(Box<NamedReader>),
    Tagged(Box<TaggedReader>),
}

impl Marked {
    pub(super) fn new(format: &AnswerFormat, in_reasoning: bool, has_calls: bool) -> Self {
        let mut triggers = Vec::new();
        let mut add = |text: &str, trigger| {
            let text = text.trim();
            if !text.is_empty() {
                triggers.push((text.to_owned(), trigger));
            }
        };
        let reasoning = format.reasoning.as_ref();
        add(
            reasoning.map_or("", |around| &around.begin),
            Trigger::Reasoning,
        );
        add(&format.text.begin, Trigger::Nothing);
        add(&format.text.end, Trigger::Nothing);
        if has_calls {
            let first = |marker: &str| atoms(marker).into_iter().next().unwrap_or_default();
            let section = first(&format.calls.section.begin);
            let each = first(&format.calls.each.begin);
            add(&section, Trigger::Section);
            if each != section {
                add(&each, Trigger::Call);
            }
            if section.is_empty() && each.is_empty() {
                add("{", Trigger::Bare);
                add(FENCE[0], Trigger::Fence);
            }
        }
        Self {
            reasoning: format.reasoning.clone(),
            calls: format.calls.clone(),
            is_fenced: false,
            triggers,
            state: match in_reasoning {
                true => State::Reasoning { is_begun: false },
                false => State::Text(Place::Start),
            },
        }
    }

    /// Reads something. `false`: more text is needed for anything more.
    pub(super) fn step(&mut self, input: &mut Input, sink: &mut Sink) -> bool {
        match &mut self.state {
            State::Text(place) => {
                let place = *place;
                self.read_text(place, input, sink)
            }
            State::Reasoning { is_begun } => {
                let is_begun = *is_begun;
                self.read_reasoning(is_begun, input, sink)
            }
            State::Opening { atoms, in_section } => {
                let in_section = *in_section;
                let progress = atoms.step(input);
                self.opened(progress, in_section, input, sink)
            }
            State::Body { reader, in_section } => {
                let in_section = *in_section;
                let progress = reader.step(input, sink);
                self.has_read_body(progress, in_section, input, sink)
            }
            State::Closing { atoms, in_section } => {
                let in_section = *in_section;
                match atoms.step(input) {
                    Progress::Wait => return false,
                    Progress::Done | Progress::Fail => {}
                }
                input.drop_kept();
                self.state = State::Between { in_section };
                true
            }
            State::Between { in_section } => {
                let in_section = *in_section;
                self.between(in_section, input)
            }
            State::SectionEnd(atoms) => {
                match atoms.step(input) {
                    Progress::Wait => return false,
                    Progress::Done | Progress::Fail => {}
                }
                input.drop_kept();
                self.state = State::Text(Place::Behind);
                true
            }
        }
    }

    fn read_text(&mut self, place: Place, input: &mut Input, sink: &mut Sink) -> bool {
        let Some(c) = input.next_char() else {
            return false;
        };
        if c.is_whitespace() {
            input.skip(c.len_utf8());
            if place == Place::Behind {
                input.drop_kept();
            } else if input.kept().len() > MAX_SPACE {
                sink.text(input.kept());
                input.drop_kept();
            }
            return true;
        }
        let is_line = place != Place::Within || input.kept().contains('\n');
        match self.trigger(input, is_line, place != Place::Within) {
            Err(Waiting) => false,
            Ok(Some((length, trigger))) => {
                self.open(length, trigger, input);
                true
            }
            Ok(None) => {
                input.skip(c.len_utf8());
                sink.text(input.kept());
                input.drop_kept();
                self.state = State::Text(Place::Within);
                true
            }
        }
    }

    /// What begins here.
    fn trigger(
        &self,
        input: &Input,
        is_line: bool,
        is_before_text: bool,
    ) -> Result<Option<(usize, Trigger)>, Waiting> {
        let mut waits = false;
        let mut longest: Option<(usize, Trigger)> = None;
        for (text, trigger) in &self.triggers {
            let is_possible = match trigger {
                Trigger::Reasoning => is_before_text,
                Trigger::Bare | Trigger::Fence => is_line,
                Trigger::Nothing | Trigger::Section | Trigger::Call => true,
            };
            match input.next_is(text) {
                _ if !is_possible => {}
                Next::No => {}
                Next::Unknown => waits = true,
                Next::Yes if longest.is_some_and(|(length, _)| length >= text.len()) => {}
                Next::Yes => longest = Some((text.len(), *trigger)),
            }
        }
        match waits {
            true => Err(Waiting),
            false => Ok(longest),
        }
    }

    fn open(&mut self, length: usize, trigger: Trigger, input: &mut Input) {
        let (marker, in_section) = match trigger {
            Trigger::Reasoning | Trigger::Nothing => {
                input.skip(length);
                input.drop_kept();
                self.state = match trigger {
                    Trigger::Reasoning => State::Reasoning { is_begun: false },
                    _ => State::Text(Place::Behind),
                };
                return;
            }
            Trigger::Section => {
                let Around { begin, .. } = &self.calls.section;
                (format!("{begin} {}", self.calls.each.begin), true)
            }
            Trigger::Call | Trigger::Bare => (self.calls.each.begin.clone(), false),
            Trigger::Fence => (FENCE[0].to_owned(), false),
        };
        self.is_fenced = trigger == Trigger::Fence;
        let atoms = Atoms::of(&marker);
        self.state = State::Opening { atoms, in_section };
    }

    fn read_reasoning(&mut self, is_begun: bool, input: &mut Input, sink: &mut Sink) -> bool {
        let Some(c) = input.next_char() else {
            return false;
        };
        if c.is_whitespace() {
            input.skip(c.len_utf8());
            if !is_begun {
                input.drop_kept();
            } else if input.kept().len() > MAX_SPACE {
                sink.reasoning(input.kept());
                input.drop_kept();
            }
            return true;
        }
        let around = self.reasoning.clone().unwrap_or_default();
        let ends = input.next_is(around.end.trim());
        // The prompt may have opened it already.
        let begins = match is_begun {
            true => Next::No,
            false => input.next_is(around.begin.trim()),
        };
        match (ends, begins) {
            (Next::Yes, _) => {
                input.skip(around.end.trim().len());
                input.drop_kept();
                self.state = State::Text(Place::Behind);
            }
            (_, Next::Yes) => {
                input.skip(around.begin.trim().len());
                input.drop_kept();
                self.state = State::Reasoning { is_begun: true };
            }
            (Next::Unknown, _) | (_, Next::Unknown) => return false,
            (Next::No, Next::No) => {
                input.skip(c.len_utf8());
                sink.reasoning(input.kept());
                input.drop_kept();
                self.state = State::Reasoning { is_begun: true };
            }
        }
        true
    }

    fn opened(
        &mut self,
        progress: Progress,
        in_section: bool,
        input: &mut Input,
        sink: &mut Sink,
    ) -> bool {
        match progress {
            Progress::Wait => self.waits(input, sink),
            Progress::Fail => self.is_text(input, sink),
            Progress::Done => {
                let reader = Reader::new(&self.calls);
                self.state = State::Body { reader, in_section };
                true
            }
        }
    }

    fn has_read_body(
        &mut self,
        progress: Progress,
        in_section: bool,
        input: &mut Input,
        sink: &mut Sink,
    ) -> bool {
        match progress {
            Progress::Wait if sink.has_open_call() => {
                input.drop_kept();
                false
            }
            Progress::Wait => self.waits(input, sink),
            Progress::Fail => self.is_text(input, sink),
            Progress::Done => {
                input.drop_kept();
                let end = match std::mem::take(&mut self.is_fenced) {
                    true => FENCE[1],
                    false => &self.calls.each.end,
                };
                let atoms = Atoms::of(end);
                self.state = State::Closing { atoms, in_section };
                true
            }
        }
    }

    /// More text decides whether it is a call, unless there is too much of it.
    fn waits(&mut self, input: &mut Input, sink: &mut Sink) -> bool {
        input.kept().len() > MAX_KEPT && self.is_text(input, sink)
    }

    /// What was read is no call, or not the rest of one.
    fn is_text(&mut self, input: &mut Input, sink: &mut Sink) -> bool {
        sink.give_up();
        sink.text(input.kept());
        self.state = State::Text(match input.kept().is_empty() {
            true => Place::Behind,
            false => Place::Within,
        });
        input.drop_kept();
        true
    }

    /// After a call.
    fn between(&mut self, in_section: bool, input: &mut Input) -> bool {
        if !input.skip_space() {
            return false;
        }
        let section_end = Atoms::of(&self.calls.section.end);
        if let (true, Some(end)) = (in_section, section_end.first()) {
            match input.next_is(end) {
                Next::Yes => {
                    self.state = State::SectionEnd(section_end);
                    return true;
                }
                Next::Unknown => return false,
                Next::No => {}
            }
        }
        let marker = format!("{} {}", self.calls.separator, self.calls.each.begin);
        let atoms = Atoms::of(&marker);
        let is_next = match atoms.first() {
            Some(first) => input.next_is(first),
            // Without any marker another call is found as the first one was, but within a section.
            None if in_section => input.next_is("{"),
            None => Next::No,
        };
        match is_next {
            Next::Unknown => return false,
            Next::Yes => {
                input.drop_kept();
                self.state = State::Opening { atoms, in_section };
            }
            Next::No => {
                input.drop_kept();
                self.state = State::Text(Place::Behind);
            }
        }
        true
    }

    pub(super) fn is_reasoning(&self) -> bool {
        matches!(self.state, State::Reasoning { .. })
    }

    /// The answer has ended: what was kept back is text.
    pub(super) fn end(&mut self, input: &mut Input, sink: &mut Sink) {
        let rest = [input.kept(), input.rest()].concat();
        match self.state {
            State::Reasoning { .. } => sink.reasoning(&rest),
            State::Text(_) | State::Opening { .. } => sink.text(&rest),
            State::Body { .. } if !sink.has_open_call() => sink.text(&rest),
            State::Body { .. }
            | State::Closing { .. }
            | State::Between { .. }
            | State::SectionEnd(_) => {}
        }
    }
}

/// More text decides it.
struct Waiting;

impl Reader {
    fn new(calls: &Calls) -> Self {
        let is_bare = calls.triggers().is_empty();
        match &calls.body {
            Body::Object(keys) => Self::Object(Box::new(ObjectReader::new(keys, is_bare))),
            Body::Named(named) => Self::Named(Box::new(NamedReader::new(named))),
            Body::Tagged(tagged) => {
                Self::Tagged(Box::new(TaggedReader::new(tagged, &calls.each.end)))
            }
        }
    }

    fn step(&mut self, input: &mut Input, sink: &mut Sink) -> Progress {
        match self {
            Self::Object(reader) => reader.step(input, sink),
            Self::Named(reader) => reader.step(input, sink),
            Self::Tagged(reader) => reader.step(input, sink),
        }
    }
}
