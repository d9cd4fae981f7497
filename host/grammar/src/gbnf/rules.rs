//! A parsed grammar, before it is translated, and the mistakes of one that cannot be used.
//!
//! Rules do not nest: a group is a rule without a name. So nothing here is recursive, however deep
//! the parentheses of a grammar are.

use std::collections::BTreeSet;

/// A grammar: its rules by number. The first is `root`.
#[derive(Debug, Default)]
pub(super) struct Grammar {
    pub(super) rules: Vec<Rule>,
    /// Position of the first item that no text matches.
    pub(super) never_at: Option<usize>,
    /// Positions of the definitions of rules that were defined before.
    pub(super) defined_again: Vec<usize>,
}

/// A rule, or a group in parentheses.
#[derive(Debug, Default)]
pub(super) struct Rule {
    /// Whether it is a rule, not a group.
    pub(super) is_named: bool,
    /// Its last definition, if there is one.
    pub(super) choice: Option<Choice>,
}

/// Alternative sequences. One may be empty.
pub(super) type Choice = Vec<Vec<Item>>;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Item {
    /// One character of this set.
    Character(Characters),
    /// This token.
    Token(u32),
    /// Any token but this one and those that end an answer.
    OtherToken(u32),
    /// A token that ends the answer, at this position of the text.
    End { at: usize },
    /// The rule or group with this number.
    Rule(usize),
    /// A repetition of a rule or group. The maximum is at least 1.
    Repeat {
        rule: usize,
        min: u32,
        max: Option<u32>,
    },
}

/// A set of characters as inclusive ranges of codes, in order, with a gap after each.
///
/// It has neither 0, which ends a text in llama.cpp, nor surrogates, which no text has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Characters(Vec<(u32, u32)>);

/// The codes of characters that a text can have.
const POSSIBLE: [(u32, u32); 2] = [(1, 0xD7FF), (0xE000, 0x0010_FFFF)];

impl Characters {
    /// The characters in these inclusive ranges, or those in none of them.
    pub(super) fn new(mut ranges: Vec<(u32, u32)>, is_negated: bool) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::new();
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => {
                    before.1 = before.1.max(last);
                }
                Some(_) | None => merged.push((first, last)),
            }
        }
        if is_negated {
            merged = gaps(&merged);
        }
        let mut set = Vec::new();
        for (first, last) in merged {
            for (low, high) in POSSIBLE {
                if first.max(low) <= last.min(high) {
                    set.push((first.max(low), last.min(high)));
                }
            }
        }
        Self(set)
    }

    /// Its ranges.
    pub(super) fn ranges(&self) -> &[(u32, u32)] {
        &self.0
    }

    /// Whether it has this character.
    pub(super) fn has(&self, code: u32) -> bool {
        self.0
            .iter()
            .any(|&(first, last)| (first..=last).contains(&code))
    }

    /// Whether no text has any of the characters.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The codes between ranges that are in order.
fn gaps(ranges: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut gaps = Vec::new();
    // The first code after the ranges so far, if there is one.
    let mut next = Some(0);
    for &(first, last) in ranges {
        if let Some(begin) = next.filter(|&begin| begin < first) {
            gaps.push((begin, first - 1));
        }
        next = last.checked_add(1);
    }
    gaps.extend(next.map(|begin| (begin, u32::MAX)));
    gaps
}

impl Item {
    /// The rule that it refers to.
    pub(super) fn rule(&self) -> Option<usize> {
        match self {
            Self::Rule(rule) | Self::Repeat { rule, .. } => Some(*rule),
            Self::Character(_) | Self::Token(_) | Self::OtherToken(_) | Self::End { .. } => None,
        }
    }
}

impl Grammar {
    /// Whether it is a group in parentheses, not a rule with a name.
    pub(super) fn is_group(&self, rule: usize) -> bool {
        self.rules.get(rule).is_some_and(|rule| !rule.is_named)
    }

    /// Takes out the choice of a rule, to be put back.
    pub(super) fn take(&mut self, rule: usize) -> Option<Choice> {
        self.rules.get_mut(rule)?.choice.take()
    }

    pub(super) fn put(&mut self, rule: usize, choice: Choice) {
        if let Some(rule) = self.rules.get_mut(rule) {
            rule.choice = Some(choice);
        }
    }

    /// The sequences of a rule. None for a rule without a definition.
    pub(super) fn sequences(&self, rule: usize) -> &[Vec<Item>] {
        let choice = self.rules.get(rule).and_then(|rule| rule.choice.as_ref());
        choice.map_or(&[], Vec::as_slice)
    }

    /// The rules that these rules refer to, with themselves.
    pub(super) fn reachable(&self, from: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
        let mut left: Vec<usize> = from.into_iter().collect();
        let mut seen = BTreeSet::new();
        while let Some(rule) = left.pop() {
            if seen.insert(rule) {
                let items = self.sequences(rule).iter().flatten();
                left.extend(items.filter_map(Item::rule));
            }
        }
        seen
    }
}

/// A rule or group whose end is not read yet.
pub(super) struct Open {
    pub(super) rule: usize,
    pub(super) choice: Choice,
    pub(super) items: Vec<Item>,
    /// Index of the first item that a repetition would apply to.
    pub(super) last: usize,
}

impl Open {
    pub(super) fn new(rule: usize) -> Self {
        Self {
            rule,
            choice: Vec::new(),
            items: Vec::new(),
            last: 0,
        }
    }

    /// Begins the next sequence.
    pub(super) fn next(&mut self) {
        self.choice.push(std::mem::take(&mut self.items));
        self.last = 0;
    }

    pub(super) fn push(&mut self, item: Item) {
        self.last = self.items.len();
        self.items.push(item);
    }

    pub(super) fn close(mut self) -> Choice {
        self.next();
        self.choice
    }
}

/// A mistake in a grammar, with its position.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub(crate) struct Mistake {
    line: usize,
    column: usize,
    what: String,
}

impl Mistake {
    /// A mistake at this number of bytes in the text.
    pub(super) fn new(text: &str, at: usize, what: impl Into<String>) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let (_, last_line) = before.rsplit_once('\n').unwrap_or(("", before));
        Self {
            line: before.matches('\n').count() + 1,
            column: last_line.chars().count() + 1,
            what: what.into(),
        }
    }
}
