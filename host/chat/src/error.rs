//! Why a conversation can't be rendered.

use std::fmt::Display;

/// Why a conversation can't be rendered: what the template engine or the template itself said, or
/// what is wrong with the conversation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ChatError {
    reason: String,
}

impl ChatError {
    pub(super) fn new(reason: impl Display) -> Self {
        Self {
            reason: reason.to_string(),
        }
    }
}
