//! Reads a call that is a name, then each argument between tags, and writes the arguments as JSON.

use super::super::format::{Notation, Tagged};
use super::super::parameters::{Kind, Types};
use super::input::{Atoms, Input, Next, Progress};
use super::named::{MAX_NAME, read_word};
use super::object::MAX_KEPT;
use super::sink::Sink;
use super::text::push_escaped;
use super::values::Values;

#[derive(Debug)]
pub(super) struct TaggedReader {
    format: Tagged,
    /// What ends the call.
    end: String,
    state: State,
    name: String,
    key: String,
    value: String,
    has_started: bool,
    has_arguments: bool,
}

#[derive(Debug)]
enum State {
    Name,
    NameEnd(Atoms),
    /// Before an argument or the end.
    Next,
    KeyBegin(Atoms),
    Key,
    ValueBegin,
    /// Behind what begins a value.
    Lead(Kind),
    /// In a text, which is sent as it comes.
    Text,
    /// In another value.
    Kept(Kind),
}

impl TaggedReader {
    /// Reads a call that ends with the marker `end`.
    pub(super) fn new(format: &Tagged, end: &str) -> Self {
        Self {
            format: format.clone(),
            end: Atoms::of(end).first().unwrap_or_default().to_owned(),
            state: State::Name,
            name: String::new(),
            key: String::new(),
            value: String::new(),
            has_started: false,
            has_arguments: false,
        }
    }

    pub(super) fn step(&mut self, input: &mut Input, sink: &mut Sink) -> Progress {
        loop {
            let next = match &mut self.state {
                State::Name => self.name(input, sink),
                State::NameEnd(atoms) => match atoms.step(input) {
                    Progress::Done => {
                        self.state = State::Next;
                        None
                    }
                    other => Some(other),
                },
                State::Next => self.next(input, sink),
                State::KeyBegin(atoms) => match atoms.step(input) {
                    Progress::Done => {
                        self.state = State::Key;
                        self.start(input, sink)
                    }
                    other => Some(other),
                },
                State::Key => self.key(input),
                State::ValueBegin => self.value_begin(input, sink),
                State::Lead(kind) => {
                    let kind = *kind;
                    self.lead(kind, input)
                }
                State::Text | State::Kept(_) => self.value(input, sink),
            };
            if self.has_started {
                input.drop_kept();
            }
            if let Some(progress) = next {
                return progress;
            }
        }
    }

    fn name(&mut self, input: &mut Input, sink: &Sink) -> Option<Progress> {
        let name_end = Atoms::of(&self.format.name_end);
        let ends = [name_end.first(), Some(self.end.as_str())];
        match read_word(&mut self.name, ends, input) {
            Next::Unknown => Some(Progress::Wait),
            Next::No => (!sink.may_be_name(&self.name)).then_some(Progress::Fail),
            Next::Yes => {
                self.state = State::NameEnd(name_end);
                None
            }
        }
    }

    fn start(&mut self, input: &mut Input, sink: &mut Sink) -> Option<Progress> {
        if self.has_started {
            return None;
        }
        if !sink.start(&self.name, None) {
            return Some(Progress::Fail);
        }
        self.has_started = true;
        sink.arguments("{");
        input.drop_kept();
        None
    }

    fn next(&mut self, input: &mut Input, sink: &mut Sink) -> Option<Progress> {
        if !input.skip_space() {
            return Some(Progress::Wait);
        }
        let key = Atoms::of(&self.format.key.begin);
        let is_key = key.first().map_or(Next::No, |atom| input.next_is(atom));
        match (is_key, input.next_is(&self.end)) {
            (Next::Yes, _) => {
                self.state = State::KeyBegin(key);
                None
            }
            (_, Next::Yes) => {
                let failed = self.start(input, sink);
                if failed.is_none() {
                    sink.arguments("}");
                    sink.complete();
                }
                failed.or(Some(Progress::Done))
            }
            (Next::Unknown, _) | (_, Next::Unknown) => Some(Progress::Wait),
            (Next::No, Next::No) => Some(Progress::Fail),
        }
    }

    fn key(&mut self, input: &mut Input) -> Option<Progress> {
        match input.read(self.format.key.end.trim()) {
            Next::Unknown => return Some(Progress::Wait),
            Next::Yes => {
                self.state = State::ValueBegin;
                return None;
            }
            Next::No => {}
        }
        let Some(c) = input.next_char() else {
            return Some(Progress::Wait);
        };
        if self.key.len() >= MAX_NAME {
            return Some(Progress::Fail);
        }
        self.key.push(c);
        input.skip(c.len_utf8());
        None
    }

    fn value_begin(&mut self, input: &mut Input, sink: &mut Sink) -> Option<Progress> {
        let begin = self.format.value.begin.trim();
        if (!begin.is_empty() || self.format.json_begin.is_some()) && !input.skip_space() {
            return Some(Progress::Wait);
        }
        let json = self.format.json_begin.as_deref().map(str::trim);
        let is_json = json.map_or(Next::No, |json| input.read(json));
        let key = self.key.trim();
        let kind = match (is_json, &self.format.json_begin) {
            (Next::Unknown, _) => return Some(Progress::Wait),
            (Next::Yes, _) => Kind::Json(Types::ANY),
            (Next::No, Some(_)) => Kind::Text,
            (Next::No, None) => sink.kind(&self.name, key),
        };
        if is_json == Next::No {
            match input.read(begin) {
                Next::Unknown => return Some(Progress::Wait),
                Next::No => return Some(Progress::Fail),
                Next::Yes => {}
            }
        }
        let mut out = String::new();
        if std::mem::replace(&mut self.has_arguments, true) {
            out.push_str(", ");
        }
        push_text(key, &mut out);
        out.push_str(": ");
        if kind == Kind::Text {
            out.push('"');
        }
        sink.arguments(&out);
        self.key.clear();
        self.state = State::Lead(kind);
        None
    }

    /// Leaves out the white space that the format has before a value.
    fn lead(&mut self, kind: Kind, input: &mut Input) -> Option<Progress> {
        let begin = &self.format.value.begin;
        let lead = begin.get(begin.trim_end().len()..).unwrap_or_default();
        if input.read(lead) == Next::Unknown {
            return Some(Progress::Wait);
        }
        self.state = match kind {
            Kind::Text => State::Text,
            Kind::Json(_) | Kind::Unknown => State::Kept(kind),
        };
        None
    }

    fn value(&mut self, input: &mut Input, sink: &mut Sink) -> Option<Progress> {
        let end = self.format.value.end.trim_end();
        let marker = end.trim_start();
        let reads = [input.read(end), input.read(marker)];
        if reads.contains(&Next::Yes) {
            self.has_value(sink);
            return None;
        }
        let Some(c) = input
            .next_char()
            .filter(|_| !reads.contains(&Next::Unknown))
        else {
            return Some(Progress::Wait);
        };
        input.skip(c.len_utf8());
        if matches!(self.state, State::Kept(_)) {
            self.value.push(c);
            return (self.value.len() > MAX_KEPT).then_some(Progress::Fail);
        }
        let mut out = String::new();
        push_escaped(c, &mut out);
        sink.arguments(&out);
        None
    }

    fn has_value(&mut self, sink: &mut Sink) {
        let value = std::mem::take(&mut self.value);
        match std::mem::replace(&mut self.state, State::Next) {
            State::Kept(kind) => sink.arguments(&as_json(&value, kind)),
            _ => sink.arguments("\""),
        }
    }
}

/// A value as JSON: what it is, if it is JSON or may be Python, unless the schema wants a text
/// instead; otherwise a text.
fn as_json(value: &str, kind: Kind) -> String {
    let (types, has_schema) = match kind {
        Kind::Json(types) => (types, true),
        Kind::Text | Kind::Unknown => (Types::ANY, false),
    };
    let read = |notation: &Notation| {
        let mut input = Input::default();
        input.push(value.trim());
        let mut values = Values::value(notation);
        let mut out = String::new();
        let progress = values.step(&mut input, &mut out);
        let is_read = progress == Progress::Done || values.last_word(&mut out);
        (is_read && input.rest().is_empty()).then_some(out)
    };
    let python = || read(&Notation::Python).filter(|_| has_schema);
    let json = read(&Notation::Json).or_else(python);
    let json = json.filter(|json| types.take(json) || !types.take_text());
    json.unwrap_or_else(|| {
        let mut out = String::new();
        push_text(value, &mut out);
        out
    })
}

fn push_text(text: &str, out: &mut String) {
    out.push('"');
    text.chars().for_each(|c| push_escaped(c, out));
    out.push('"');
}
