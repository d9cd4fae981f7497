//! Parses GBNF with llama.cpp's syntax, and reports mistakes.
//!
//! It is stricter than llama.cpp where the writer can hardly mean what llama.cpp does: a range from
//! a later to an earlier character, a class without characters, a repetition with a maximum below
//! its minimum. It is more lenient with the number of repetitions.

use std::collections::{BTreeSet, HashMap};

use super::rules::{Characters, Choice, Grammar, Item, Mistake, Open, Rule};
use super::tokens::Tokens;

/// Maximum nesting of groups and repetitions. llguidance reads the translation recursively.
const MAX_DEPTH: u32 = 1000;

/// Maximum number of repetitions that a grammar may state.
const MAX_REPETITIONS: u32 = 100_000;

/// Maximum number of different tokens in a grammar that also has `!<token>`, because each such item
/// becomes a choice between all the others.
const MAX_TOKENS_BESIDE_OTHERS: usize = 64;

/// Parses a grammar.
pub(super) fn parse(text: &str, tokens: &dyn Tokens) -> Result<Grammar, Mistake> {
    let mut parser = Parser {
        text,
        at: 0,
        tokens,
        numbers: HashMap::new(),
        names: Vec::new(),
        depths: Vec::new(),
        used: BTreeSet::new(),
        has_other: false,
        grammar: Grammar::default(),
    };
    if let Some(at) = text.find('\0') {
        let what = "the character with code 0 ends a grammar: write it as `\\x00`";
        return Err(parser.mistake_at(at, what));
    }
    parser.named("root", 0);
    parser.space(true);
    while parser.peek().is_some() {
        parser.rule()?;
    }
    parser.finish()
}

struct Parser<'a> {
    text: &'a str,
    /// Number of bytes read.
    at: usize,
    tokens: &'a dyn Tokens,
    /// The numbers of the rules named so far.
    numbers: HashMap<&'a str, usize>,
    /// Their names, with the position of the first mention.
    names: Vec<(&'a str, usize)>,
    /// For each rule, how deep groups and repetitions nest in it. 0 for a rule with a name.
    depths: Vec<u32>,
    /// The tokens so far, and whether one of them is negated.
    used: BTreeSet<u32>,
    has_other: bool,
    grammar: Grammar,
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
        Mistake::new(self.text, at, what)
    }

    fn mistake(&self, what: impl Into<String>) -> Mistake {
        self.mistake_at(self.at, what)
    }

    /// The number of the rule with this name.
    fn named(&mut self, name: &'a str, at: usize) -> usize {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.add(true);
        self.numbers.insert(name, number);
        self.names.push((name, at));
        number
    }

    /// Adds a rule or a group.
    fn add(&mut self, is_named: bool) -> usize {
        let choice = None;
        self.grammar.rules.push(Rule { is_named, choice });
        self.depths.push(0);
        self.grammar.rules.len() - 1
    }

    /// Defines a rule or a group that ends at this position. Another definition of the same rule
    /// replaces it, as in llama.cpp.
    fn define(&mut self, number: usize, choice: Choice, at: usize) -> Result<(), Mistake> {
        let depths = &self.depths;
        let rules = choice.iter().flatten().filter_map(Item::rule);
        let deepest = rules.filter_map(|rule| depths.get(rule)).max();
        let deepest = deepest.copied().unwrap_or(0);
        let rule = self.grammar.rules.get_mut(number);
        if let (Some(rule), Some(depth)) = (rule, self.depths.get_mut(number)) {
            if !rule.is_named {
                *depth = deepest + 1;
                if *depth > MAX_DEPTH {
                    let what = format!("groups and repetitions nest more than {MAX_DEPTH} deep");
                    return Err(self.mistake_at(at, what));
                }
            }
            if rule.choice.replace(choice).is_some() {
                self.grammar.defined_again.push(at);
            }
        }
        Ok(())
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
        let number = self.named(name, at);
        self.space(false);
        if !self.take("::=") {
            return Err(self.mistake(format!("`::=` is missing after `{name:.60}`")));
        }
        self.space(true);
        let choice = self.choice(number)?;
        match self.peek() {
            None | Some('\r' | '\n') => self.space(true),
            Some(other) => return Err(self.mistake(format!("{other:?} is out of place"))),
        }
        self.define(number, choice, at)
    }

    fn finish(self) -> Result<Grammar, Mistake> {
        // A definition that another one replaced does not count.
        let named = self.numbers.values().copied();
        let used = self
            .grammar
            .reachable(named.filter(|&rule| self.is_defined(rule)));
        for &(name, at) in &self.names {
            let number = self.numbers.get(name).copied().unwrap_or(0);
            let is_used = number == 0 || used.contains(&number);
            if is_used && !self.is_defined(number) {
                return Err(self.mistake_at(at, format!("there is no rule `{name:.60}`")));
            }
        }
        Ok(self.grammar)
    }

    fn is_defined(&self, rule: usize) -> bool {
        let rule = self.grammar.rules.get(rule);
        rule.is_some_and(|rule| rule.choice.is_some())
    }

    /// Reads the sequences of a rule, with all groups in them.
    fn choice(&mut self, rule: usize) -> Result<Choice, Mistake> {
        let mut current = Open::new(rule);
        // The rule and the groups around the current one.
        let mut around: Vec<Open> = Vec::new();
        loop {
            let at = self.at;
            match self.peek() {
                Some('|') => {
                    self.next();
                    current.next();
                    self.space(true);
                    continue;
                }
                Some('(') => {
                    self.next();
                    let group = self.add(false);
                    around.push(std::mem::replace(&mut current, Open::new(group)));
                    self.space(true);
                    continue;
                }
                Some(')') if !around.is_empty() => {
                    self.next();
                    let Some(outer) = around.pop() else { continue };
                    let group = std::mem::replace(&mut current, outer);
                    let number = group.rule;
                    self.define(number, group.close(), at)?;
                    current.push(Item::Rule(number));
                }
                Some('*' | '+' | '?' | '{') => self.repeat(&mut current, !around.is_empty())?,
                Some(_) if self.item(&mut current)? => {}
                Some(_) | None if around.is_empty() => return Ok(current.close()),
                Some(_) | None => return Err(self.mistake("`)` is missing")),
            }
            self.space(!around.is_empty());
        }
    }

    /// Reads a literal, a class, a token or the name of a rule, if there is one.
    fn item(&mut self, current: &mut Open) -> Result<bool, Mistake> {
        match self.peek() {
            Some('"') => self.literal(current)?,
            Some('[') => {
                let class = self.class()?;
                current.push(class);
            }
            Some('.') => {
                self.next();
                current.push(Item::Character(Characters::new(Vec::new(), true)));
            }
            Some('<' | '!') => {
                let token = self.token()?;
                current.push(token);
            }
            Some(_) | None => {
                let at = self.at;
                let Some(name) = self.name() else {
                    return Ok(false);
                };
                let rule = self.named(name, at);
                current.push(Item::Rule(rule));
            }
        }
        Ok(true)
    }

    fn repeat(&mut self, current: &mut Open, is_nested: bool) -> Result<(), Mistake> {
        let at = self.at;
        let (min, max) = self.times(is_nested)?;
        let items = current.items.split_off(current.last);
        let rule = match items.as_slice() {
            [] => return Err(self.mistake_at(at, "there is nothing before it to repeat")),
            _ if max == Some(0) => return Ok(()),
            [Item::Rule(rule)] => *rule,
            _ => {
                let rule = self.add(false);
                self.define(rule, vec![items], at)?;
                rule
            }
        };
        current.items.push(Item::Repeat { rule, min, max });
        Ok(())
    }

    fn literal(&mut self, current: &mut Open) -> Result<(), Mistake> {
        self.next();
        current.last = current.items.len();
        while !self.take("\"") {
            let at = self.at;
            let one = self.character()?;
            let item = self.one_of(at, vec![(one, one)], false);
            current.items.push(item);
        }
        Ok(())
    }

    /// A set of characters that is written at this position.
    fn one_of(&mut self, at: usize, ranges: Vec<(u32, u32)>, is_negated: bool) -> Item {
        let characters = Characters::new(ranges, is_negated);
        if characters.is_empty() {
            self.grammar.never_at.get_or_insert(at);
        }
        Item::Character(characters)
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
                let range = self.text.get(at..self.at).unwrap_or_default();
                let what = format!(
                    "the range `{range}` has no character: it ends before it begins. Swap its ends"
                );
                return Err(self.mistake_at(at, what));
            }
            ranges.push((first, last));
        }
        if ranges.is_empty() {
            let what = "no character between `[` and `]`: write `\"\"` for nothing, `.` for any";
            return Err(self.mistake_at(begin, what));
        }
        Ok(self.one_of(begin, ranges, is_negated))
    }

    /// Reads the code of one character of a literal or a class. There may be no such character.
    fn character(&mut self) -> Result<u32, Mistake> {
        let at = self.at;
        let Some(one) = self.next() else {
            return Err(self.mistake("the grammar ends within a literal or a class"));
        };
        if one != '\\' {
            return Ok(u32::from(one));
        }
        match self.next() {
            Some('x') => self.hex(2),
            Some('u') => self.hex(4),
            Some('U') => self.hex(8),
            Some('t') => Ok(u32::from('\t')),
            Some('r') => Ok(u32::from('\r')),
            Some('n') => Ok(u32::from('\n')),
            Some(same @ ('\\' | '"' | '[' | ']' | '-')) => Ok(u32::from(same)),
            _ => {
                let what =
                    "after `\\` comes one of t, r, n, \\, \", [, ], -, xHH, uHHHH, UHHHHHHHH";
                Err(self.mistake_at(at, what))
            }
        }
    }

    fn hex(&mut self, digits: usize) -> Result<u32, Mistake> {
        let at = self.at;
        let text = self.rest().get(..digits).unwrap_or_default();
        let is_hex = !text.is_empty() && text.bytes().all(|one| one.is_ascii_hexdigit());
        let code = u32::from_str_radix(text, 16).ok().filter(|_| is_hex);
        self.at += text.len();
        let what = format!("expected the {digits} hex digits of a character");
        code.ok_or_else(|| self.mistake_at(at, what))
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
            .and_then(|rest| rest.strip_suffix("]>"))
            .filter(|number| number.bytes().all(|one| one.is_ascii_digit()));
        let id = match number {
            Some(number) => number.parse().ok(),
            None => self.tokens.find(name),
        };
        let is_usable = |id: u32| id < self.tokens.count() && self.tokens.is_usable(id);
        let Some(id) = id.filter(|&id| is_negated || is_usable(id)) else {
            let what = format!("the vocabulary has no single token `{name:.60}`");
            return Err(self.mistake_at(at, what));
        };
        if !is_negated && self.tokens.is_end(id) {
            return Ok(Item::End { at });
        }
        self.used.insert(id);
        self.has_other |= is_negated;
        if self.has_other && self.used.len() > MAX_TOKENS_BESIDE_OTHERS {
            let what = format!(
                "more than {MAX_TOKENS_BESIDE_OTHERS} different tokens in a grammar with `!<...>`"
            );
            return Err(self.mistake_at(at, what));
        }
        Ok(if is_negated {
            Item::OtherToken(id)
        } else {
            Item::Token(id)
        })
    }

    fn times(&mut self, is_nested: bool) -> Result<(u32, Option<u32>), Mistake> {
        let at = self.at;
        match self.next() {
            Some('*') => return Ok((0, None)),
            Some('+') => return Ok((1, None)),
            Some('?') => return Ok((0, Some(1))),
            _ => {}
        }
        self.space(is_nested);
        let min = self.count()?;
        let Some(min) = min else {
            return Err(self.mistake("the number of repetitions is missing"));
        };
        self.space(is_nested);
        let max = if self.take(",") {
            self.space(is_nested);
            let max = self.count()?;
            self.space(is_nested);
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
