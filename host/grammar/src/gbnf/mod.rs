//! llama.cpp's grammar format, GBNF, for llguidance.
//!
//! llama.cpp's own engine follows every way through a grammar separately. `root ::= "a" root "b" |
//! "a" root "c" | "a"` has 2^n of them after n letters, which nothing bounds and nothing
//! interrupts; a rule that recurs at its left through a rule that may be empty never returns. A
//! guest writes the grammar, so it is read here and followed by llguidance, whose work is bounded.
//! Decision 13, `docs/decisions/013-output-forms-with-llguidance.md`.
//!
//! GBNF knows characters only, llguidance knows lexemes, the longest of which wins. Where each
//! lexeme is one character, both mean the same.

mod parse;
mod translate;

#[cfg(test)]
mod tests;

/// What is wrong with a grammar, and where.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub(super) struct Mistake {
    line: usize,
    column: usize,
    what: String,
}

/// The grammar in llguidance's variant of Lark. `token` gives the number of the token that has a
/// text or a name.
pub(super) fn to_lark(text: &str, token: &dyn Fn(&str) -> Option<u32>) -> Result<String, Mistake> {
    let grammar = parse::parse(text, token)?;
    Ok(translate::translate(&grammar))
}

/// A whole grammar: its rules by number, the first of them being `root`.
#[derive(Debug, PartialEq, Eq)]
struct Grammar {
    rules: Vec<Choice>,
}

/// Sequences, one of which is taken. An empty one is allowed.
type Choice = Vec<Vec<Item>>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    /// One character out of these, which are ranges with both ends; or out of all others.
    Character {
        ranges: Vec<(char, char)>,
        is_negated: bool,
    },
    /// One token; or any other.
    Token {
        id: u32,
        is_negated: bool,
    },
    /// What this rule says.
    Rule(usize),
    Group(Choice),
    /// Again and again, at most so often.
    Repeat {
        items: Vec<Item>,
        min: u32,
        max: Option<u32>,
    },
}
