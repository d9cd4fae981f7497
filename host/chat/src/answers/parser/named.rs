//! Reads a call that is a name, then its arguments.

use super::super::format::{Named, NamedId};
use super::input::{Atoms, Input, Next, Progress};
use super::sink::Sink;
use super::values::Values;

/// Largest length of a name or an id in bytes.
pub(super) const MAX_NAME: usize = 256;

#[derive(Debug)]
pub(super) struct NamedReader {
    format: Named,
    state: State,
    name: String,
    id: String,
}

#[derive(Debug)]
enum State {
    Name,
    Id,
    /// In a marker, with what follows it.
    Marker(Atoms, Then),
    /// Before the sign that opens the arguments.
    Before,
    Arguments(Values),
}

#[derive(Debug, Clone, Copy)]
enum Then {
    Name,
    Id,
    Arguments,
}

impl NamedReader {
    pub(super) fn new(format: &Named) -> Self {
        Self {
            format: format.clone(),
            state: match &format.id {
                NamedId::Before(_) => State::Id,
                NamedId::Absent | NamedId::After(_) | NamedId::WithName => State::Name,
            },
            name: String::new(),
            id: String::new(),
        }
    }

    pub(super) fn step(&mut self, input: &mut Input, sink: &mut Sink) -> Progress {
        loop {
            let next = match &mut self.state {
                State::Name => self.name(input, sink),
                State::Id => self.id(input),
                State::Marker(atoms, then) => {
                    let then = *then;
                    match atoms.step(input) {
                        Progress::Done => {
                            self.state = match then {
                                Then::Name => State::Name,
                                Then::Id => State::Id,
                                Then::Arguments => State::Before,
                            };
                            None
                        }
                        other => Some(other),
                    }
                }
                State::Before => self.before(input, sink),
                State::Arguments(values) => {
                    let mut out = String::new();
                    let progress = values.step(input, &mut out);
                    sink.arguments(&out);
                    input.drop_kept();
                    if progress == Progress::Done {
                        sink.complete();
                    }
                    Some(progress)
                }
            };
            if let Some(progress) = next {
                return progress;
            }
        }
    }

    fn name(&mut self, input: &mut Input, sink: &Sink) -> Option<Progress> {
        let between = Atoms::of(&self.format.between);
        let after = match &self.format.id {
            NamedId::After(marker) => Some(Atoms::of(marker)),
            NamedId::Absent | NamedId::Before(_) | NamedId::WithName => None,
        };
        let with_name = self.format.id == NamedId::WithName;
        let ends = [between.first(), after.as_ref().and_then(Atoms::first)];
        match read_word(&mut self.name, ends, input) {
            Next::Unknown => Some(Progress::Wait),
            Next::No => {
                let is_possible = with_name || sink.may_be_name(&self.name);
                (!is_possible || self.name.len() > MAX_NAME).then_some(Progress::Fail)
            }
            Next::Yes => {
                if with_name {
                    self.id.clone_from(&self.name);
                    self.name = name_in(&self.id).to_owned();
                }
                let is_after = |after: &Atoms| match after.first() {
                    Some(atom) => input.next_is(atom),
                    None => Next::No,
                };
                self.state = match after {
                    Some(after) if is_after(&after) == Next::Yes => State::Marker(after, Then::Id),
                    _ => State::Marker(between, Then::Arguments),
                };
                None
            }
        }
    }

    fn id(&mut self, input: &mut Input) -> Option<Progress> {
        let (marker, then) = match &self.format.id {
            NamedId::Before(marker) => (marker, Then::Name),
            NamedId::Absent | NamedId::After(_) | NamedId::WithName => {
                (&self.format.between, Then::Arguments)
            }
        };
        let marker = Atoms::of(marker);
        match read_word(&mut self.id, [marker.first(), None], input) {
            Next::Unknown => Some(Progress::Wait),
            Next::No => (self.id.len() > MAX_NAME).then_some(Progress::Fail),
            Next::Yes => {
                self.state = State::Marker(marker, then);
                None
            }
        }
    }

    fn before(&mut self, input: &mut Input, sink: &mut Sink) -> Option<Progress> {
        if !input.skip_space() {
            return Some(Progress::Wait);
        }
        let opens = matches!(input.next_char(), Some('{' | '('));
        let id = Some(self.id.as_str()).filter(|id| !id.is_empty());
        if !opens || !sink.start(&self.name, id) {
            return Some(Progress::Fail);
        }
        input.drop_kept();
        self.state = State::Arguments(Values::new(&self.format.notation));
        None
    }
}

/// The name within an id such as `functions.name:0`.
fn name_in(id: &str) -> &str {
    let name = id.strip_prefix("functions.").unwrap_or(id);
    match name.rsplit_once(':') {
        Some((name, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => name,
    }
}

/// Reads one character of a word, or finds that the word has ended: before one of these markers,
/// white space, or a sign that opens something.
pub(super) fn read_word(word: &mut String, ends: [Option<&str>; 2], input: &mut Input) -> Next {
    let Some(c) = input.next_char() else {
        return Next::Unknown;
    };
    if word.is_empty() && c.is_whitespace() {
        input.skip(c.len_utf8());
        return Next::No;
    }
    let mut may_end = false;
    for end in ends.into_iter().flatten() {
        match input.next_is(end) {
            Next::Yes => return Next::Yes,
            Next::Unknown => may_end = true,
            Next::No => {}
        }
    }
    if may_end {
        return Next::Unknown;
    }
    if c.is_whitespace() || matches!(c, '{' | '(' | '<' | '[') {
        return Next::Yes;
    }
    word.push(c);
    input.skip(c.len_utf8());
    Next::No
}
