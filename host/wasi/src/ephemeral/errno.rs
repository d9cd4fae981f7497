//! The error numbers of the functions, and their mapping from the host's errors.

use crate::{ErrorCode, NnError};

/// The result of a function of `wasi_ephemeral_nn`: the numbers of the witx, and from 100 on those
/// of the extensions for LLMs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Errno {
    /// Success.
    Success = 0,
    /// An unknown handle, a pointer outside the memory, or a value that is not allowed.
    InvalidArgument = 1,
    /// The settings are not JSON, or the model's encoding is not supported.
    InvalidEncoding = 2,
    /// The module exports no memory.
    MissingMemory = 3,
    /// The queue is full, the request timed out in the queue, the session limit is reached, or the
    /// host is short of memory.
    Busy = 4,
    /// A failure while running, or the guest's limit of handles is reached.
    RuntimeError = 5,
    /// The host does not support the operation, or does not allow it for this guest.
    UnsupportedOperation = 6,
    /// The buffer is too small, or the input too large.
    TooLarge = 7,
    /// No model with this name is granted.
    NotFound = 8,
    /// The text has ended; only returned by `compute_single`.
    EndOfSequence = 100,
    /// Prompt and answer fill the context. The text so far can be read.
    ContextFull = 101,
    /// The prompt does not fit the context.
    PromptTooLong = 102,
    /// The model's file is missing.
    ModelNotFound = 103,
}

impl Errno {
    /// The number.
    #[must_use]
    pub fn number(self) -> u32 {
        self as u32
    }
}

/// The reason for which a function does not return [`Errno::Success`]. The guest only gets the
/// number. The message goes to the log, so it must not contain any of the guest's prompts or text.
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

    /// For a reached limit: other hosts return this number when their handles are used up.
    pub(super) fn limit(error: NnError) -> Self {
        Self::new(Errno::RuntimeError, error.data)
    }
}

impl From<NnError> for Failure {
    fn from(error: NnError) -> Self {
        let errno = match error.code {
            // For bytes that are not a model. The encoding is checked before the bytes.
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

        let errno = match error.inner() {
            E::EmptyPrompt
            | E::Settings { .. }
            | E::UnknownToken { .. }
            | E::LongStretch { .. }
            | E::ChatTemplate { .. }
            | E::Conversation { .. }
            | E::OutputForm { .. }
            | E::TooManyTexts { .. }
            | E::DuplicateModel { .. } => Errno::InvalidArgument,
            E::Busy { .. }
            | E::OwnerBusy { .. }
            | E::SessionBusy
            | E::QueueTimeout { .. }
            | E::TooManySessions { .. }
            | E::TooManyOwnerSessions { .. }
            | E::MemoryShort { .. } => Errno::Busy,
            E::PromptTooLong { .. } | E::PromptTooLarge { .. } => Errno::PromptTooLong,
            E::Unsupported { .. }
            | E::NotTaken { .. }
            | E::NotDeterministic { .. }
            | E::NoVectors { .. }
            | E::VectorsOnly { .. }
            | E::VectorsAsked => Errno::UnsupportedOperation,
            E::UnknownModel { .. } => Errno::NotFound,
            // The model was unloaded while idle and cannot be loaded again.
            E::Backend(error) => match error.kind() {
                BackendErrorKind::ModelNotFound => Errno::ModelNotFound,
                BackendErrorKind::Unsupported => Errno::UnsupportedOperation,
                _ => Errno::RuntimeError,
            },
            // Other failures, and variants that this crate does not know yet.
            _ => Errno::RuntimeError,
        };
        let words = match error {
            // The values are the guest's own text, so they are left out.
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
