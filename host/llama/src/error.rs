//! What llama.cpp refused or failed at.

/// What llama.cpp refused or failed at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LlamaError {
    /// llama.cpp can't be started.
    #[error(
        "llama.cpp can't be started: {reason}. Only one user of llama-cpp-2 in a process may start it: start it \
         through this engine alone"
    )]
    Start {
        /// What the binding said.
        reason: String,
    },
    /// It refused or failed.
    #[error("{reason}")]
    Failed {
        /// What it logged, or what it would have ended the process for.
        reason: String,
    },
}

impl LlamaError {
    /// It refused or failed for this reason.
    pub(super) fn failed(reason: impl Into<String>) -> Self {
        Self::Failed {
            reason: reason.into(),
        }
    }
}
