//! Errors of llama.cpp.

/// An operation that llama.cpp refused or in which it failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LlamaError {
    /// llama.cpp cannot be started.
    #[error(
        "llama.cpp can't be started: {reason}. Only one user of llama-cpp-2 in a process may start \
         it: start it through this engine alone"
    )]
    Start {
        /// The binding's error message.
        reason: String,
    },
    /// llama.cpp refused or failed.
    #[error("{reason}")]
    Failed {
        /// Its log messages, or what it would have aborted the process over.
        reason: String,
    },
}

impl LlamaError {
    /// An error with this reason.
    pub(super) fn failed(reason: impl Into<String>) -> Self {
        Self::Failed {
            reason: reason.into(),
        }
    }
}
