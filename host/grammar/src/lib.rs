//! Output forms: JSON Schemas, regular expressions, Lark and GBNF grammars that the text of an
//! answer must match.
//!
//! [`Grammars`] compiles the form of a request into a [`Constraint`], which follows the answer
//! token by token. Checking one token is cheap, computing all allowed tokens is not. Therefore the
//! sampler first chooses as if there were no form, and chooses again among the allowed tokens only
//! if the chosen token is not allowed. Each allowed token then has the conditional probability that
//! it would have if all others had been removed before.
//!
//! llguidance does the matching. This crate adds the compiler of JSON Schemas, the parser of GBNF,
//! and the checks that other forms must pass before llguidance reads them. It needs no model: a
//! [`Vocabulary`] describes the model's tokens.

#![forbid(unsafe_code)]

mod constraint;
mod embedded;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzz;
mod gbnf;
mod grammars;
mod lark;
mod limits;
mod schema;
mod shape;
mod vocabulary;

#[cfg(test)]
mod tests;

pub use constraint::{Allowed, Constraint};
pub use error::{ConstraintError, GrammarError};
pub use grammars::Grammars;
pub use vocabulary::Vocabulary;
