//! Parses GBNF with llama.cpp's syntax, and reports mistakes.
//!
//! It is stricter than llama.cpp where llama.cpp silently does something else: a duplicate rule, a
//! range from a later to an earlier character, a repetition with a maximum below its minimum.

use std::collections::HashMap;

use super::rules::{Choice, Grammar, Item, Mistake};

/// Maximum nesting of parentheses, because they are parsed recursively.
const MAX_DEPTH: u32 = 64;

/// Maximum number of repetitions that a grammar may state.
const MAX_REPETITIONS: u32 = 100_000;

/// Parses a grammar.
pub(super) fn parse(text: &str, token: &dyn Fn(&str) -> Option<u32>) -> Result<Grammar, Mistake> {
    let mut parser = Parser {
        text,
        at: 0,
        token,
        numbers: HashMap::new(),
        names: Vec::new(),
        rules: Vec::new(),
    };
    parser.number("root", 0);
    parser.space(true);
    while parser.peek().is_some() {
        parser.rule()?;
    }
    parser.finish()
}

struct Parser<'a> {
    text: &'a str,
    // Number of bytes read.
    at: usize,
    token: &'a dyn Fn(&str) -> Option<u32>,
    // The rules named so far, with their numbers and the position of the first mention.
    numbers: HashMap<&'a str, usize>,
    names: Vec<(&'a str, usize)>,
    // The definitions, where they exist already.
    rules: Vec<Option<Choice>>,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Reads `wanted` if it comes next.
    fn take(&mut self, wanted: &str) -> bool {
        let is_there = self.rest().starts_with(wanted);
        if is_there {
            self.at += wanted.len();
        }
        is_there
    }

    /// Reads characters as long as they are `wanted`.
    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|one| !wanted(one)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn space(&mut self, with_newlines: bool) {
        loop {
            self.take_while(|one| {
                one == ' ' || one == '\t' || (with_newlines && (one == '\r' || one == '\n'))
            });
            if self.peek() != Some('#') {
                return;
            }
            self.take_while(|one| one != '\r' && one != '\n');
        }
    }

    fn mistake_at(&self, at: usize, what: impl Into<String>) -> Mistake {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        let what = what.into();
        Mistake { line, column, what }
    }

    fn mistake(&self, what: impl Into<String>) -> Mistake {
        self.mistake_at(self.at, what)
    }

    fn number(&mut self, name: &'a str, at: usize) -> usize {
        let next = self.names.len();
        let number = *self.numbers.entry(name).or_insert(next);
        if number == next {
            self.names.push((name, at));
            self.rules.push(None);
        }
        number
    }

    fn name(&mut self) -> Option<&'a str> {
        let name = self.take_while(|one| one.is_ascii_alphanumeric() || one == '-');
        (!name.is_empty()).then_some(name)
    }

    fn rule(&mut self) -> Result<(), Mistake> {
        let at = self.at;
        let name = self
            .name()
            .ok_or_else(|| self.mistake("a rule's name is missing"))?;
        let number = self.number(name, at);
        self.space(false);
        if !self.take("::=") {
            return Err(self.mistake(format!("`::=` is missing after `{name:.60}`")));
        }
        self.space(true);
        let choice = self.choice(0)?;
        match self.peek() {
            None | Some('\r' | '\n') => self.space(true),
            Some(other) => return Err(self.mistake(format!("{other:?} is out of place"))),
        }
        match self.rules.get_mut(number) {
            Some(rule @ None) => *rule = Some(choice),
            Some(Some(_)) | None => {
                return Err(self.mistake_at(at, format!("the rule `{name:.60}` is defined twice")));
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Grammar, Mistake> {
        let mut rules = Vec::with_capacity(self.rules.len());
        for (rule, &(name, at)) in self.rules.iter().zip(&self.names) {
            match rule {
                Some(rule) => rules.push(rule.clone()),
                None => {
                    return Err(self.mistake_at(at, format!("there is no rule `{name:.60}`")));
                }
            }
        }
        Ok(Grammar { rules })
    }

    fn choice(&mut self, depth: u32) -> Result<Choice, Mistake> {
        let mut choice = vec![self.sequence(depth)?];
        while self.take("|") {
            self.space(true);
            choice.push(self.sequence(depth)?);
        }
        Ok(choice)
    }

    fn sequence(&mut self, depth: u32) -> Result<Vec<Item>, Mistake> {
        let is_nested = depth > 0;
        let mut items = Vec::new();
        // Index of the first item that a repetition would apply to.
        let mut last = 0;
        while let Some(next) = self.peek() {
            let begin = items.len();
            match next {
                '"' => self.literal(&mut items)?,
                '[' => items.push(self.class()?),
                '.' => {
                    self.next();
                    items.push(Item::Character {
                        ranges: Vec::new(),
                        is_negated: true,
                    });
                }
                '<' | '!' => items.push(self.token()?),
                '(' => {
                    if depth >= MAX_DEPTH {
                        let what = format!("more than {MAX_DEPTH} nested parentheses");
                        return Err(self.mistake(what));
                    }
                    self.next();
                    self.space(true);
                    let group = self.choice(depth + 1)?;
                    if !self.take(")") {
                        return Err(self.mistake("`)` is missing"));
                    }
                    items.push(Item::Group(group));
                }
                '*' | '+' | '?' | '{' => {
                    let at = self.at;
                    let (min, max) = self.times()?;
                    if last == items.len() {
                        return Err(self.mistake_at(at, "there is nothing before it to repeat"));
                    }
                    let items_again = items.split_off(last);
                    items.push(Item::Repeat {
                        items: items_again,
                        min,
                        max,
                    });
                    self.space(is_nested);
                    continue;
                }
                one if one.is_ascii_alphanumeric() || one == '-' => {
                    let at = self.at;
                    if let Some(name) = self.name() {
                        items.push(Item::Rule(self.number(name, at)));
                    }
                }
                _ => break,
            }
            last = begin;
            self.space(is_nested);
        }
        Ok(items)
    }

    fn literal(&mut self, items: &mut Vec<Item>) -> Result<(), Mistake> {
        self.next();
        while !self.take("\"") {
            let one = self.character()?;
            items.push(Item::Character {
                ranges: vec![(one, one)],
                is_negated: false,
            });
        }
        Ok(())
    }

    fn class(&mut self) -> Result<Item, Mistake> {
        let begin = self.at;
        self.next();
        let is_negated = self.take("^");
        let mut ranges = Vec::new();
        while !self.take("]") {
            let at = self.at;
            let first = self.character()?;
            let is_range = self.rest().starts_with('-') && !self.rest().starts_with("-]");
            let last = if is_range {
                self.next();
                self.character()?
            } else {
                first
            };
            if last < first {
                let what =
                    format!("the range ends before it begins: {last:?} comes before {first:?}");
                return Err(self.mistake_at(at, what));
            }
            ranges.push((first, last));
        }
        if ranges.is_empty() {
            return Err(self.mistake_at(begin, "no character between `[` and `]`"));
        }
        Ok(Item::Character { ranges, is_negated })
    }

    /// Reads one character of a literal or a class.
    fn character(&mut self) -> Result<char, Mistake> {
        let at = self.at;
        let Some(one) = self.next() else {
            return Err(self.mistake("the grammar ends within a literal or a class"));
        };
        let character = if one == '\\' {
            match self.next() {
                Some('x') => self.hex(2)?,
                Some('u') => self.hex(4)?,
                Some('U') => self.hex(8)?,
                Some('t') => '\t',
                Some('r') => '\r',
                Some('n') => '\n',
                Some(same @ ('\\' | '"' | '[' | ']' | '-')) => same,
                _ => {
                    let what =
                        "after `\\` comes one of t, r, n, \\, \", [, ], -, xHH, uHHHH, UHHHHHHHH";
                    return Err(self.mistake_at(at, what));
                }
            }
        } else {
            one
        };
        if character == '\0' {
            return Err(self.mistake_at(at, "the character with code 0 isn't supported"));
        }
        Ok(character)
    }

    fn hex(&mut self, digits: usize) -> Result<char, Mistake> {
        let at = self.at;
        let text = self.rest().get(..digits).unwrap_or_default();
        let is_hex = !text.is_empty() && text.bytes().all(|one| one.is_ascii_hexdigit());
        let code = if is_hex {
            u32::from_str_radix(text, 16).ok()
        } else {
            None
        };
        self.at += text.len();
        code.and_then(char::from_u32).ok_or_else(|| {
            self.mistake_at(
                at,
                format!("expected the {digits} hex digits of a character"),
            )
        })
    }

    /// Reads `<[7]>` or `<name>`, with an optional `!` before it.
    fn token(&mut self) -> Result<Item, Mistake> {
        let at = self.at;
        let is_negated = self.take("!");
        let text = self.rest();
        let Some(end) = text.find('>').filter(|_| text.starts_with('<')) else {
            return Err(self.mistake_at(at, "a token must be written between `<` and `>`"));
        };
        let name = text.get(..=end).unwrap_or_default();
        self.at += name.len();
        let number = name
            .strip_prefix("<[")
            .and_then(|rest| rest.strip_suffix("]>"));
        let id = match number {
            Some(number) => number.parse().ok(),
            None => (self.token)(name),
        };
        let id = id.ok_or_else(|| {
            self.mistake_at(
                at,
                format!("the vocabulary has no single token `{name:.60}`"),
            )
        })?;
        Ok(Item::Token { id, is_negated })
    }

    fn times(&mut self) -> Result<(u32, Option<u32>), Mistake> {
        let at = self.at;
        match self.next() {
            Some('*') => return Ok((0, None)),
            Some('+') => return Ok((1, None)),
            Some('?') => return Ok((0, Some(1))),
            _ => {}
        }
        self.space(true);
        let min = self.count()?;
        let Some(min) = min else {
            return Err(self.mistake("the number of repetitions is missing"));
        };
        self.space(true);
        let max = if self.take(",") {
            self.space(true);
            let max = self.count()?;
            self.space(true);
            max
        } else {
            Some(min)
        };
        if !self.take("}") {
            return Err(self.mistake("`}` is missing"));
        }
        if max.is_some_and(|max| max < min) {
            return Err(self.mistake_at(at, "the maximum is less than the minimum"));
        }
        Ok((min, max))
    }

    fn count(&mut self) -> Result<Option<u32>, Mistake> {
        let at = self.at;
        let digits = self.take_while(|one| one.is_ascii_digit());
        if digits.is_empty() {
            return Ok(None);
        }
        let count = digits
            .parse()
            .ok()
            .filter(|&count| count <= MAX_REPETITIONS);
        if count.is_none() {
            let what = format!("repeated more than {MAX_REPETITIONS} times: use `*` or `+`");
            return Err(self.mistake_at(at, what));
        }
        Ok(count)
    }
}
