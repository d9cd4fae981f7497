//! An error of a backend, in a form that is independent of the backend.

use std::error::Error as StdError;
use std::fmt;

/// The kind of failure of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum BackendErrorKind {
    /// The model's file does not exist or cannot be read.
    ModelNotFound,
    /// The bytes are not a valid model for the backend.
    InvalidModel,
    /// The model is valid, but the backend does not support it.
    Unsupported,
    /// The request exceeds the available memory or a limit.
    TooLarge,
    /// Any other failure.
    Failed,
}

/// An error of a backend: the original error, and the kind of failure.
#[derive(Debug)]
pub struct BackendError {
    kind: BackendErrorKind,
    error: Box<dyn StdError + Send + Sync>,
}

impl BackendError {
    /// Creates an error of this kind. The message must say what was requested, what the state was,
    /// and what to do.
    pub fn new(kind: BackendErrorKind, error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            kind,
            error: error.into(),
        }
    }

    /// The kind of failure.
    #[must_use]
    pub fn kind(&self) -> BackendErrorKind {
        self.kind
    }

    /// The original error, if it has this type.
    #[must_use]
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.error.downcast_ref()
    }
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl StdError for BackendError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}
