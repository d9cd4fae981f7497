//! The numbers that functions answer with, and which of the host's errors is which.

use crate::nn::{ErrorCode, NnError};

/// What a function of `wasi_ephemeral_nn` answers: the numbers of the witx, and from 100 on those
/// of the extensions for LLMs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Errno {
    /// It worked.
    Success = 0,
    /// A handle that isn't there, a pointer outside of the memory, a value that isn't allowed.
    InvalidArgument = 1,
    /// Settings that are not JSON, or a model of an encoding that isn't served.
    InvalidEncoding = 2,
    /// The module exports no memory.
    MissingMemory = 3,
    /// The queue is full, the request waited for too long, as many sessions are open as may be, or
    /// the host's memory is short.
    Busy = 4,
    /// It broke while it ran, or the guest holds as many handles as it may.
    RuntimeError = 5,
    /// The host doesn't do this, or not for this guest.
    UnsupportedOperation = 6,
    /// The buffer is too small, or what was sent too large.
    TooLarge = 7,
    /// No model of this name is granted.
    NotFound = 8,
    /// The text has ended; only from `compute_single`.
    EndOfSequence = 100,
    /// Prompt and answer fill the context. The text so far can be read.
    ContextFull = 101,
    /// The context doesn't hold the prompt.
    PromptTooLong = 102,
    /// The model's file is gone.
    ModelNotFound = 103,
}

impl Errno {
    /// The number.
    #[must_use]
    pub fn number(self) -> u32 {
        self as u32
    }
}

/// Why a function doesn't answer [`Errno::Success`]. The words have no way to the guest and go to
/// the log, so they have nothing of its prompts and texts in them.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) errno: Errno,
    pub(super) words: String,
}

impl Failure {
    pub(super) fn new(errno: Errno, words: impl Into<String>) -> Self {
        Self {
            errno,
            words: words.into(),
        }
    }

    pub(super) fn invalid(words: impl Into<String>) -> Self {
        Self::new(Errno::InvalidArgument, words)
    }

    /// As many as the guest may hold: here that is what the other hosts say where their handles are
    /// used up.
    pub(super) fn limit(error: NnError) -> Self {
        Self::new(Errno::RuntimeError, error.data)
    }
}

impl From<NnError> for Failure {
    fn from(error: NnError) -> Self {
        let errno = match error.code {
            // Bytes that are no model; the encoding is refused before they are looked at.
            ErrorCode::InvalidArgument | ErrorCode::InvalidEncoding => Errno::InvalidArgument,
            ErrorCode::Timeout => Errno::Busy,
            ErrorCode::RuntimeError | ErrorCode::Unknown => Errno::RuntimeError,
            ErrorCode::UnsupportedOperation | ErrorCode::Security => Errno::UnsupportedOperation,
            ErrorCode::TooLarge => Errno::TooLarge,
            ErrorCode::NotFound => Errno::NotFound,
        };
        Self::new(errno, error.data)
    }
}

impl From<mynah_core::Error> for Failure {
    fn from(error: mynah_core::Error) -> Self {
        use mynah_core::{BackendErrorKind, Error as E};

        let errno = match &error {
            E::EmptyPrompt
            | E::Settings { .. }
            | E::UnknownToken { .. }
            | E::ChatTemplate { .. }
            | E::OutputForm { .. }
            | E::TooManyTexts { .. }
            | E::DuplicateModel { .. } => Errno::InvalidArgument,
            E::Busy { .. }
            | E::SessionBusy
            | E::QueueTimeout { .. }
            | E::TooManySessions { .. }
            | E::MemoryShort { .. } => Errno::Busy,
            E::PromptTooLong { .. } | E::PromptTooLarge { .. } => Errno::PromptTooLong,
            E::Unsupported { .. }
            | E::NotDeterministic { .. }
            | E::NoVectors { .. }
            | E::VectorsOnly { .. }
            | E::VectorsAsked => Errno::UnsupportedOperation,
            E::UnknownModel { .. } => Errno::NotFound,
            // Nobody had used the model, and now it can't be loaded again.
            E::Backend(error) => match error.kind() {
                BackendErrorKind::ModelNotFound => Errno::ModelNotFound,
                BackendErrorKind::Unsupported => Errno::UnsupportedOperation,
                _ => Errno::RuntimeError,
            },
            // What else broke, and variants that this crate doesn't know yet.
            _ => Errno::RuntimeError,
        };
        let words = match error {
            // The values are the guest's own words.
            E::Settings { problems } => problems
                .iter()
                .map(|problem| format!("`{}` must be {}", problem.path, problem.allowed()))
                .collect::<Vec<_>>()
                .join("; "),
            error => error.to_string(),
        };
        Self::new(errno, words)
    }
}
