//! An error of one backend, as those see it who know no backend.

use std::error::Error as StdError;
use std::fmt;

/// What kind of failure an error of a backend is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BackendErrorKind {
    /// The model's file is not there, or can't be read.
    ModelNotFound,
    /// The model's bytes are not a model that the backend can be given.
    InvalidModel,
    /// The model is good, and of a kind that the backend can't serve.
    Unsupported,
    /// More was asked for than fits.
    TooLarge,
    /// Anything else.
    Failed,
}

/// An error of a backend: its own text and value, and what kind of failure it is.
#[derive(Debug)]
pub struct BackendError {
    kind: BackendErrorKind,
    error: Box<dyn StdError + Send + Sync>,
}

impl BackendError {
    /// An error of this kind. Its text says what was asked, what was there and what to do.
    pub fn new(kind: BackendErrorKind, error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            kind,
            error: error.into(),
        }
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> BackendErrorKind {
        self.kind
    }

    /// The backend's own error, if it is of this type.
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
