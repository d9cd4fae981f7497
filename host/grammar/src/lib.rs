//! Output forms: what the text of an answer may be (JSON Schema, regular expression, Lark, GBNF).
//!
//! [`Grammars`] turns the form of a request into a [`Constraint`], which follows the answer token by
//! token. Checking one token is cheap, finding all that are allowed is not: the sampler chooses as
//! if there were no form, and only where that token is refused does it choose again, among the
//! allowed ones. That gives each of them the probability that it has under the condition that one of
//! them comes, as if all others had been taken out before.
//!
//! llguidance does the work. The parser of GBNF, and the checks that make a form safe to be given to
//! llguidance, are here. Pure: what a form needs of a model is a [`Vocabulary`].

#![forbid(unsafe_code)]

mod constraint;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzz;
mod gbnf;
mod grammars;
mod lark;
mod limits;
mod schema;
mod vocabulary;

#[cfg(test)]
mod tests;

pub use constraint::{Allowed, Constraint};
pub use error::{ConstraintError, GrammarError};
pub use grammars::Grammars;
pub use vocabulary::Vocabulary;
