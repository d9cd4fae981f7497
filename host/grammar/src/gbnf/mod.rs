//! llama.cpp's grammar format, GBNF, for llguidance.
//!
//! llama.cpp's own engine follows every parse of a grammar separately. `root ::= "a" root "b" | "a"
//! root "c" | "a"` has 2^n of them after n letters, without a limit and without a way to interrupt;
//! a left-recursive rule through a rule that may be empty never returns. The guest writes the
//! grammar, so it is parsed here and followed by llguidance, whose work is bounded. Decision 13,
//! `docs/decisions/013-output-forms-with-llguidance.md`.
//!
//! GBNF only knows characters, while llguidance knows lexemes, the longest of which wins. If each
//! lexeme is one character, both mean the same.

mod parse;
mod translate;

#[cfg(test)]
mod tests;

/// A mistake in a grammar, with its position.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub(super) struct Mistake {
    line: usize,
    column: usize,
    what: String,
}

/// Translates a grammar to llguidance's variant of Lark. `token` returns the id of the token with
/// this text or name.
pub(super) fn to_lark(text: &str, token: &dyn Fn(&str) -> Option<u32>) -> Result<String, Mistake> {
    let grammar = parse::parse(text, token)?;
    Ok(translate::translate(&grammar))
}

/// A grammar: its rules by number. The first is `root`.
#[derive(Debug, PartialEq, Eq)]
struct Grammar {
    rules: Vec<Choice>,
}

/// Alternative sequences. One may be empty.
type Choice = Vec<Vec<Item>>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
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
