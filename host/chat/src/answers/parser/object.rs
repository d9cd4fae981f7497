//! Reads a call that is a JSON object: its name and arguments under two keys, in any order.

use super::super::format::{Keys, Notation};
use super::input::{Input, Progress};
use super::sink::Sink;
use super::values::Values;

/// Largest size in bytes of a call before its name and arguments are known. Until then it may
/// become text, so it is kept.
pub(super) const MAX_KEPT: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct ObjectReader {
    keys: Keys,
    /// Whether only known keys may come before the call has started. Without a marker, an object is
    /// a call only if it looks like one.
    is_strict: bool,
    state: State,
    key: String,
    name: Option<String>,
    id: Option<String>,
    /// Arguments that came before the name.
    arguments: Option<String>,
    has_started: bool,
    /// Whether the name and the arguments are in an object within.
    is_nested: bool,
}

#[derive(Debug)]
enum State {
    Open,
    Key {
        may_end: bool,
    },
    /// In a key.
    InKey(Values, String),
    Colon,
    Value,
    /// In a value that is kept.
    Kept(Values, String),
    /// In the arguments.
    Sent(Values),
    Comma,
}

/// Under this key some models write the name and the arguments as an object of their own.
const NESTED: &str = "function";

impl ObjectReader {
    pub(super) fn new(keys: &Keys, is_strict: bool) -> Self {
        Self {
            keys: keys.clone(),
            is_strict,
            state: State::Open,
            key: String::new(),
            name: None,
            id: None,
            arguments: None,
            has_started: false,
            is_nested: false,
        }
    }

    pub(super) fn step(&mut self, input: &mut Input, sink: &mut Sink) -> Progress {
        loop {
            let next = match &mut self.state {
                State::InKey(values, text) | State::Kept(values, text) => {
                    let progress = values.step(input, text);
                    match progress {
                        Progress::Done => self.has_read(sink),
                        Progress::Wait if text.len() > MAX_KEPT => Some(Progress::Fail),
                        other => Some(other),
                    }
                }
                State::Sent(values) => {
                    let mut out = String::new();
                    let progress = values.step(input, &mut out);
                    sink.arguments(&out);
                    input.drop_kept();
                    match progress {
                        Progress::Done => {
                            sink.complete();
                            self.state = State::Comma;
                            None
                        }
                        other => Some(other),
                    }
                }
                _ => self.sign(input, sink),
            };
            if let Some(progress) = next {
                return progress;
            }
        }
    }

    /// Between keys and values.
    fn sign(&mut self, input: &mut Input, sink: &mut Sink) -> Option<Progress> {
        if !input.skip_space() {
            let is_long = input.kept().len() > MAX_KEPT;
            return Some(if is_long {
                Progress::Fail
            } else {
                Progress::Wait
            });
        }
        let c = input.next_char()?;
        match (&self.state, c) {
            (State::Open, '{') => {
                input.skip(1);
                self.state = State::Key { may_end: true };
                None
            }
            (State::Key { .. }, '"') => {
                self.state = State::InKey(Values::value(&Notation::Json), String::new());
                None
            }
            (State::Key { may_end: true } | State::Comma, '}') => {
                input.skip(1);
                self.ends(input, sink)
            }
            (State::Comma, ',') => {
                input.skip(1);
                self.state = State::Key { may_end: false };
                None
            }
            (State::Colon, ':') => {
                input.skip(1);
                self.state = State::Value;
                None
            }
            (State::Value, c) => self.value(c, input, sink),
            _ => Some(Progress::Fail),
        }
    }

    fn value(&mut self, c: char, input: &mut Input, sink: &mut Sink) -> Option<Progress> {
        if self.key == NESTED && c == '{' && !self.is_nested && self.name.is_none() {
            input.skip(1);
            self.is_nested = true;
            self.state = State::Key { may_end: true };
            return None;
        }
        let is_call = self.key == self.keys.arguments && c == '{' && !self.has_started;
        self.state = match &self.name {
            Some(name) if is_call => {
                if !sink.start(name, self.id.as_deref()) {
                    return Some(Progress::Fail);
                }
                self.has_started = true;
                input.drop_kept();
                State::Sent(Values::new(&Notation::Json))
            }
            _ => State::Kept(Values::value(&Notation::Json), String::new()),
        };
        None
    }

    /// A key or a value was read.
    fn has_read(&mut self, sink: &mut Sink) -> Option<Progress> {
        match std::mem::replace(&mut self.state, State::Comma) {
            State::InKey(_, text) => {
                self.key = serde_json::from_str(&text).unwrap_or_default();
                self.state = State::Colon;
                let is_known = self.is_known(&self.key);
                let is_foreign = self.is_strict && !self.has_started && !is_known;
                is_foreign.then_some(Progress::Fail)
            }
            State::Kept(_, text) => self.has_value(&text, sink),
            _ => Some(Progress::Fail),
        }
    }

    fn is_known(&self, key: &str) -> bool {
        let Keys {
            name,
            arguments,
            id,
        } = &self.keys;
        let id = id.as_ref().map_or("id", |id| &id.key);
        [name, arguments, id, "type", NESTED].contains(&key)
    }

    fn has_value(&mut self, text: &str, sink: &mut Sink) -> Option<Progress> {
        if self.has_started {
            return None;
        }
        if self.key == self.keys.name {
            let Ok(name) = serde_json::from_str::<String>(text) else {
                return Some(Progress::Fail);
            };
            if !sink.may_be_name(&name) {
                return Some(Progress::Fail);
            }
            self.name = Some(name);
        } else if self.key == self.keys.arguments {
            match object_of(text) {
                Some(arguments) => self.arguments = Some(arguments),
                None => return Some(Progress::Fail),
            }
        } else if self.keys.id.as_ref().is_some_and(|id| id.key == self.key) {
            let id = serde_json::from_str(text);
            self.id = id.ok().or_else(|| Some(text.to_owned()));
        }
        match (&self.name, &self.arguments) {
            (Some(name), Some(_)) if !sink.start(name, self.id.as_deref()) => Some(Progress::Fail),
            (Some(_), Some(arguments)) => {
                sink.arguments(arguments);
                sink.complete();
                self.has_started = true;
                None
            }
            _ => None,
        }
    }

    /// The object ends.
    fn ends(&mut self, input: &mut Input, sink: &mut Sink) -> Option<Progress> {
        if std::mem::take(&mut self.is_nested) {
            self.state = State::Comma;
            return None;
        }
        if let (Some(name), false) = (&self.name, self.has_started) {
            // A call without arguments.
            self.has_started = sink.start(name, self.id.as_deref());
            if self.has_started {
                sink.arguments("{}");
                sink.complete();
            }
        }
        if !self.has_started {
            return Some(Progress::Fail);
        }
        input.drop_kept();
        Some(Progress::Done)
    }
}

/// The object that a JSON text is or, as a text, contains. Anything else is none.
fn object_of(text: &str) -> Option<String> {
    if text.starts_with('{') {
        return Some(text.to_owned());
    }
    if matches!(text, "null" | "\"\"") {
        return Some("{}".to_owned());
    }
    let inner: String = serde_json::from_str(text).ok()?;
    let mut input = Input::default();
    input.push(inner.trim());
    let mut out = String::new();
    let progress = Values::new(&Notation::Json).step(&mut input, &mut out);
    (progress == Progress::Done && input.rest().is_empty()).then_some(out)
}
