//! A parsed grammar, before it is translated, and the mistakes of one that cannot be parsed.

/// A grammar: its rules by number. The first is `root`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Grammar {
    pub(super) rules: Vec<Choice>,
}

/// Alternative sequences. One may be empty.
pub(super) type Choice = Vec<Vec<Item>>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// One character in these inclusive ranges, or in none of them.
    Character {
        ranges: Vec<(char, char)>,
        is_negated: bool,
    },
    /// This token, or any other.
    Token {
        id: u32,
        is_negated: bool,
    },
    /// The rule with this number.
    Rule(usize),
    Group(Choice),
    /// A repetition.
    Repeat {
        items: Vec<Item>,
        min: u32,
        max: Option<u32>,
    },
}

/// A mistake in a grammar, with its position.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub(crate) struct Mistake {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) what: String,
}
