//! The error of rendering a conversation.

use std::fmt::Display;

/// Why a conversation cannot be rendered: the message of the template engine or of the template
/// itself, or the mistake in the conversation.
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
