//! Errors of compiling an output form, and of following it.

use std::io;

/// Why an output form cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GrammarError {
    /// The form is malformed, uses an unsupported feature, exceeds a limit, or matches no text.
    #[error("`{form}` can't be the form of an answer: {reason}. Change it, or leave it out")]
    Form {
        /// The setting with the form: `json_schema`, `regex`, `lark` or `grammar`.
        form: &'static str,
        /// The mistake and its position.
        reason: String,
    },
    /// The operating system could not start a thread to read the form on.
    #[error(
        "no thread could be started to read the output form: {0}. Raise the limit on processes and \
         threads"
    )]
    Thread(#[source] io::Error),
}

/// Why the next tokens cannot be determined.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConstraintError {
    /// No token of the vocabulary continues the text.
    #[error("no token of the vocabulary continues the output form")]
    DeadEnd,
    /// A limit was exceeded.
    #[error("{0}")]
    Failed(String),
}

impl From<GrammarError> for mynah_core::Error {
    fn from(error: GrammarError) -> Self {
        match error {
            GrammarError::Form { form, reason } => Self::OutputForm { form, reason },
            GrammarError::Thread(error) => Self::Thread(error),
        }
    }
}

impl From<ConstraintError> for mynah_core::Error {
    fn from(error: ConstraintError) -> Self {
        Self::OutputFormLost {
            reason: error.to_string(),
        }
    }
}
