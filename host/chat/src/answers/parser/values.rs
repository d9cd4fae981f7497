//! Reads the arguments of a call, in the notation of a model, and writes them as JSON.
//!
//! What is written is JSON that an ordinary reader takes: control characters within a text and
//! halves of surrogate pairs are replaced, and numbers that no reader can hold are refused.

use super::super::format::Notation;
use super::input::{Input, Next, Progress};
use super::text::{Quote, Text};

/// Largest depth of values within each other. Ordinary readers take 128.
const MAX_DEPTH: usize = 100;

/// Largest length of a number or a word.
const MAX_WORD: usize = 512;

/// Reads one object of arguments.
#[derive(Debug)]
pub(super) struct Values {
    notation: Notation,
    stack: Vec<Open>,
    state: State,
    /// Whether a comma is to be written before the next value.
    owes_comma: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// A list, with the sign that closes it.
    List(char),
    /// An object, with the sign that closes it.
    Object(char),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// At the beginning.
    Before,
    Value {
        may_end: bool,
    },
    Key {
        may_end: bool,
    },
    /// After a key.
    Colon,
    /// After a value.
    Comma,
    Text {
        text: Text,
        is_key: bool,
    },
    /// A number, a truth value or none.
    Word(String),
    /// A key without quotes.
    Bare(usize),
}

impl Values {
    pub(super) fn new(notation: &Notation) -> Self {
        Self {
            notation: notation.clone(),
            stack: Vec::new(),
            state: State::Before,
            owes_comma: false,
        }
    }

    /// Reads any value.
    pub(super) fn value(notation: &Notation) -> Self {
        Self {
            state: State::Value { may_end: false },
            ..Self::new(notation)
        }
    }

    fn is_json(&self) -> bool {
        self.notation == Notation::Json
    }

    /// Reads what there is, and writes it to `out`.
    pub(super) fn step(&mut self, input: &mut Input, out: &mut String) -> Progress {
        loop {
            let next = match &self.state {
                State::Text { .. } => self.text(input, out),
                State::Word(_) => self.word(input, out),
                State::Bare(_) => self.bare(input, out),
                _ => self.between(input, out),
            };
            match next {
                Some(Progress::Done) if !self.stack.is_empty() => self.state = State::Comma,
                Some(progress) => return progress,
                None => {}
            }
        }
    }

    /// Between values.
    fn between(&mut self, input: &mut Input, out: &mut String) -> Option<Progress> {
        let Some(c) = input.next_char() else {
            return Some(Progress::Wait);
        };
        let is_space = match self.is_json() {
            true => matches!(c, ' ' | '\t' | '\n' | '\r'),
            false => c.is_whitespace(),
        };
        if is_space {
            if self.is_json() {
                out.push(c);
            }
            input.skip(c.len_utf8());
            return None;
        }
        let state = self.state.clone();
        match state {
            State::Before => self.begin(c, input, out),
            State::Value { may_end } => self.begin_value(c, may_end, input, out),
            State::Key { may_end } => self.key(c, may_end, input, out),
            State::Colon => self.colon(c, input, out),
            _ => self.comma(c, input, out),
        }
    }

    fn begin(&mut self, c: char, input: &mut Input, out: &mut String) -> Option<Progress> {
        match (&self.notation, c) {
            (Notation::Json | Notation::Marked(_), '{') => self.open(Open::Object('}'), input, out),
            (Notation::Python, '(') => self.open(Open::Object(')'), input, out),
            _ => Some(Progress::Fail),
        }
    }

    fn open(&mut self, open: Open, input: &mut Input, out: &mut String) -> Option<Progress> {
        if self.stack.len() >= MAX_DEPTH {
            return Some(Progress::Fail);
        }
        self.pay_comma(out);
        input.skip(1);
        let may_end = true;
        match open {
            Open::List(_) => {
                out.push('[');
                self.state = State::Value { may_end };
            }
            Open::Object(_) => {
                out.push('{');
                self.state = State::Key { may_end };
            }
        }
        self.stack.push(open);
        None
    }

    fn close(&mut self, input: &mut Input, out: &mut String) -> Option<Progress> {
        input.skip(1);
        self.owes_comma = false;
        match self.stack.pop() {
            Some(Open::List(_)) => out.push(']'),
            _ => out.push('}'),
        }
        Some(Progress::Done)
    }

    fn closes(&self, c: char) -> bool {
        match self.stack.last() {
            Some(Open::List(close) | Open::Object(close)) => *close == c,
            None => false,
        }
    }

    fn pay_comma(&mut self, out: &mut String) {
        if std::mem::take(&mut self.owes_comma) {
            out.push_str(", ");
        }
    }

    fn begin_value(
        &mut self,
        c: char,
        may_end: bool,
        input: &mut Input,
        out: &mut String,
    ) -> Option<Progress> {
        if may_end && self.closes(c) {
            return self.close(input, out);
        }
        match c {
            '{' => self.open(Open::Object('}'), input, out),
            '[' => self.open(Open::List(']'), input, out),
            '(' if self.notation == Notation::Python => self.open(Open::List(')'), input, out),
            _ => match self.quote(c, input) {
                Ok(Some(quote)) => self.begin_text(quote, false, out),
                Ok(None) if is_of_word(c) => {
                    self.pay_comma(out);
                    self.state = State::Word(String::new());
                    None
                }
                Ok(None) => Some(Progress::Fail),
                Err(wait) => Some(wait),
            },
        }
    }

    fn begin_text(&mut self, quote: Quote, is_key: bool, out: &mut String) -> Option<Progress> {
        self.pay_comma(out);
        out.push('"');
        let text = Text::new(quote);
        self.state = State::Text { text, is_key };
        None
    }

    /// Reads what opens a text.
    fn quote(&self, c: char, input: &mut Input) -> Result<Option<Quote>, Progress> {
        match &self.notation {
            Notation::Marked(marker) => match input.read(marker) {
                Next::Yes => Ok(Some(Quote::Marker)),
                Next::No => Ok(None),
                Next::Unknown => Err(Progress::Wait),
            },
            Notation::Json | Notation::Python => {
                let is_quote = c == '"' || (c == '\'' && !self.is_json());
                if is_quote {
                    input.skip(1);
                }
                Ok(is_quote.then_some(Quote::Sign(c)))
            }
        }
    }

    fn key(
        &mut self,
        c: char,
        may_end: bool,
        input: &mut Input,
        out: &mut String,
    ) -> Option<Progress> {
        if may_end && self.closes(c) {
            return self.close(input, out);
        }
        let is_keyword = self.stack.last() == Some(&Open::Object(')'));
        let is_bare = is_keyword || matches!(self.notation, Notation::Marked(_));
        let quote = match is_keyword {
            true => Ok(None),
            false => self.quote(c, input),
        };
        match quote {
            Ok(Some(quote)) => self.begin_text(quote, true, out),
            Ok(None) if is_bare && is_of_name(c) => {
                self.pay_comma(out);
                out.push('"');
                self.state = State::Bare(0);
                None
            }
            Ok(None) => Some(Progress::Fail),
            Err(wait) => Some(wait),
        }
    }

    fn colon(&mut self, c: char, input: &mut Input, out: &mut String) -> Option<Progress> {
        let sign = match self.stack.last() {
            Some(Open::Object(')')) => '=',
            _ => ':',
        };
        if c != sign {
            return Some(Progress::Fail);
        }
        input.skip(1);
        out.push_str(if self.is_json() { ":" } else { ": " });
        self.state = State::Value { may_end: false };
        None
    }

    fn comma(&mut self, c: char, input: &mut Input, out: &mut String) -> Option<Progress> {
        if self.closes(c) {
            return self.close(input, out);
        }
        if c != ',' {
            return Some(Progress::Fail);
        }
        input.skip(1);
        match self.is_json() {
            true => out.push(','),
            false => self.owes_comma = true,
        }
        // A comma may stand before the end, but not in JSON.
        let may_end = !self.is_json();
        self.state = match self.stack.last() {
            Some(Open::List(_)) => State::Value { may_end },
            _ => State::Key { may_end },
        };
        None
    }

    fn text(&mut self, input: &mut Input, out: &mut String) -> Option<Progress> {
        let State::Text { text, is_key } = &mut self.state else {
            return Some(Progress::Fail);
        };
        let is_key = *is_key;
        match text.step(&self.notation, input, out) {
            Progress::Done if is_key => {
                self.state = State::Colon;
                None
            }
            progress => Some(progress),
        }
    }

    fn word(&mut self, input: &mut Input, out: &mut String) -> Option<Progress> {
        let State::Word(word) = &mut self.state else {
            return Some(Progress::Fail);
        };
        match input.next_char() {
            None => Some(Progress::Wait),
            Some(c) if is_of_word(c) => {
                if word.len() >= MAX_WORD {
                    return Some(Progress::Fail);
                }
                word.push(c);
                input.skip(1);
                None
            }
            Some(_) => {
                let word = std::mem::take(word);
                let written = written(&word, self.is_json());
                let Some(written) = written else {
                    return Some(Progress::Fail);
                };
                out.push_str(&written);
                Some(Progress::Done)
            }
        }
    }

    /// Writes a number or a word that the end of the text ends. Whether it is a whole value.
    pub(super) fn last_word(&mut self, out: &mut String) -> bool {
        let State::Word(word) = &self.state else {
            return false;
        };
        let written = written(word, self.is_json());
        out.extend(written.clone());
        self.stack.is_empty() && written.is_some()
    }

    fn bare(&mut self, input: &mut Input, out: &mut String) -> Option<Progress> {
        let State::Bare(length) = &mut self.state else {
            return Some(Progress::Fail);
        };
        match input.next_char() {
            None => Some(Progress::Wait),
            Some(c) if is_of_name(c) => {
                *length += 1;
                if *length > MAX_WORD {
                    return Some(Progress::Fail);
                }
                input.skip(c.len_utf8());
                out.push(c);
                None
            }
            Some(_) => {
                out.push('"');
                self.state = State::Colon;
                None
            }
        }
    }
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_')
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | '$')
}

/// A number, a truth value or none as JSON.
fn written(word: &str, is_json: bool) -> Option<String> {
    let word = match word {
        "True" if !is_json => "true",
        "False" if !is_json => "false",
        "None" if !is_json => "null",
        word => word,
    };
    let is_plain = matches!(word, "true" | "false" | "null");
    // What is too large for a reader is refused by this one.
    let is_value = is_plain || serde_json::from_str::<serde_json::Number>(word).is_ok();
    if is_value || is_json {
        return is_value.then(|| word.to_owned());
    }
    let number: f64 = word.replace('_', "").parse().ok()?;
    serde_json::Number::from_f64(number).map(|number| number.to_string())
}
