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

mod check;
mod factor;
mod notes;
mod parse;
mod rules;
mod simplify;
mod tokens;
mod translate;

#[cfg(test)]
mod plain;
#[cfg(test)]
mod published;
#[cfg(test)]
mod supported;
#[cfg(test)]
mod tests;

pub(super) use rules::Mistake;
pub(super) use tokens::Tokens;

/// What to do about a grammar with too many ways to go on.
pub(super) const FEWER_WAYS: &str = "write its repetitions so that each divides a text in one way \
                                     only, such as `[a-z]*` for `[a-z]* [a-z]*`, and `*` where a \
                                     rule ends with itself";

/// A grammar in llguidance's variant of Lark.
#[derive(Debug)]
pub(super) struct Translated {
    pub(super) lark: String,
    /// What is followed otherwise than its writer may think, each with its place.
    pub(super) notes: Vec<String>,
}

/// Translates a grammar to llguidance's variant of Lark.
pub(super) fn to_lark(text: &str, tokens: &dyn Tokens) -> Result<Translated, Mistake> {
    let mut grammar = parse::parse(text, tokens)?;
    check::ends(text, &grammar)?;
    let notes = notes::of(text, &grammar, tokens);
    simplify::simplify(&mut grammar);
    factor::factor(&mut grammar);
    let lark = translate::translate(text, &grammar, tokens)?;
    Ok(Translated { lark, notes })
}
