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
mod parse;
mod rules;
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

/// Translates a grammar to llguidance's variant of Lark.
pub(super) fn to_lark(text: &str, tokens: &dyn Tokens) -> Result<String, Mistake> {
    let mut grammar = parse::parse(text, tokens)?;
    check::ends(text, &grammar)?;
    factor::factor(&mut grammar);
    translate::translate(text, &grammar, tokens)
}
