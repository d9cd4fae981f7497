//! Reads a text between quotes, and writes it as a JSON text.

use super::super::format::Notation;
use super::input::{Input, Next, Progress};

/// What stands around a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quote {
    /// A sign. Within, a backslash begins an escape.
    Sign(char),
    /// The marker of the notation. Within, nothing is escaped.
    Marker,
}

/// A text that is being read, behind what opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    quote: Quote,
    state: State,
    /// The first half of a surrogate pair.
    half: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Plain,
    /// After a backslash.
    Escape,
    /// In the code of a character, with so many digits left.
    Code {
        digits: u8,
        code: u32,
    },
}

impl Text {
    pub(super) fn new(quote: Quote) -> Self {
        Self {
            quote,
            state: State::Plain,
            half: None,
        }
    }

    /// Reads what there is, to what closes it.
    pub(super) fn step(
        &mut self,
        notation: &Notation,
        input: &mut Input,
        out: &mut String,
    ) -> Progress {
        while let Some(c) = input.next_char() {
            let is_json = *notation == Notation::Json;
            let next = match self.state {
                State::Plain => self.plain(c, notation, input, out),
                State::Escape => {
                    input.skip(c.len_utf8());
                    self.escape(c, is_json, out)
                }
                State::Code { digits, code } => {
                    input.skip(c.len_utf8());
                    self.code(c, digits, code, out)
                }
            };
            if let Some(progress) = next {
                return progress;
            }
        }
        Progress::Wait
    }

    fn plain(
        &mut self,
        c: char,
        notation: &Notation,
        input: &mut Input,
        out: &mut String,
    ) -> Option<Progress> {
        let ends = match (self.quote, notation) {
            (Quote::Marker, Notation::Marked(marker)) => input.read(marker),
            (Quote::Sign(sign), _) if sign == c => {
                input.skip(c.len_utf8());
                Next::Yes
            }
            _ => Next::No,
        };
        match ends {
            Next::Unknown => Some(Progress::Wait),
            Next::Yes => {
                self.pay_half(out);
                out.push('"');
                Some(Progress::Done)
            }
            Next::No => {
                input.skip(c.len_utf8());
                if c == '\\' && self.quote != Quote::Marker {
                    self.state = State::Escape;
                } else {
                    self.pay_half(out);
                    push_escaped(c, out);
                }
                None
            }
        }
    }

    fn escape(&mut self, c: char, is_json: bool, out: &mut String) -> Option<Progress> {
        let digits = match c {
            'u' => 4,
            'x' if !is_json => 2,
            'U' if !is_json => 8,
            _ => 0,
        };
        if digits > 0 {
            self.state = State::Code { digits, code: 0 };
            return None;
        }
        self.state = State::Plain;
        self.pay_half(out);
        match c {
            '"' | '\\' | 'b' | 'f' | 'n' | 'r' | 't' => out.extend(['\\', c]),
            '/' => out.push('/'),
            _ if is_json => return Some(Progress::Fail),
            '\'' => out.push('\''),
            // A line that goes on.
            '\n' => {}
            'a' => push_escaped('\u{7}', out),
            'v' => push_escaped('\u{B}', out),
            '0' => push_escaped('\0', out),
            other => {
                out.push_str("\\\\");
                push_escaped(other, out);
            }
        }
        None
    }

    fn code(&mut self, c: char, digits: u8, code: u32, out: &mut String) -> Option<Progress> {
        let Some(digit) = c.to_digit(16) else {
            return Some(Progress::Fail);
        };
        let code = (code << 4) | digit;
        if digits > 1 {
            let digits = digits - 1;
            self.state = State::Code { digits, code };
            return None;
        }
        self.state = State::Plain;
        let is_second = (0xDC00..0xE000).contains(&code);
        match self.half.take() {
            Some(first) if is_second => {
                push_code(0x1_0000 + ((first - 0xD800) << 10) + (code - 0xDC00), out);
                return None;
            }
            Some(_) => out.push('\u{FFFD}'),
            None => {}
        }
        match (0xD800..0xDC00).contains(&code) {
            true => self.half = Some(code),
            false => push_code(code, out),
        }
        None
    }

    /// Replaces the first half of a pair that has no second one.
    fn pay_half(&mut self, out: &mut String) {
        if self.half.take().is_some() {
            out.push('\u{FFFD}');
        }
    }
}

fn push_code(code: u32, out: &mut String) {
    push_escaped(char::from_u32(code).unwrap_or('\u{FFFD}'), out);
}

/// Writes a character of a JSON text.
pub(super) fn push_escaped(c: char, out: &mut String) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        c => out.push(c),
    }
}
