//! Why an output form can't be used, or followed any further.

use std::io;

/// Why an output form can't be used.
#[derive(Debug, thiserror::Error)]
pub enum GrammarError {
    /// It is malformed, uses what isn't supported, costs more than it may, or no answer has it.
    #[error("`{form}` can't be the form of an answer: {reason}. Change it, or leave it out")]
    Form {
        /// The setting that it came in: `json_schema`, `regex`, `lark` or `grammar`.
        form: &'static str,
        /// What is wrong, and where.
        reason: String,
    },
    /// The operating system gave no thread to read it on.
    #[error("no thread to read the output form on: {0}. Raise the limit on processes and threads")]
    Thread(#[source] io::Error),
}

/// Why there is no telling which token may come next.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConstraintError {
    /// None may: no token of the vocabulary continues the text.
    #[error("no token continues what the output form asks for")]
    DeadEnd,
    /// It took more than the limits allow.
    #[error("{0}")]
    Failed(String),
}
