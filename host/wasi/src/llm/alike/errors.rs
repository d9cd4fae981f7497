//! `mynah:llm/errors`: maps the host's errors to those of the contract.

use super::llm::errors::{Busy, Error, Host, Problem, PromptTooLong};
use crate::LlmCtxView;
use crate::{ErrorCode, NnError};

impl Host for LlmCtxView<'_> {}

impl From<mynah_settings::SettingsError> for Error {
    fn from(error: mynah_settings::SettingsError) -> Self {
        mynah_core::Error::from(error).into()
    }
}

impl From<mynah_core::Error> for Error {
    fn from(error: mynah_core::Error) -> Self {
        use mynah_core::Error as E;

        let message = error.to_string();
        match error.inner() {
            E::Settings { problems } => {
                Self::InvalidSettings(problems.iter().cloned().map(Problem::from).collect())
            }
            E::EmptyPrompt
            | E::UnknownToken { .. }
            | E::LongStretch { .. }
            | E::ChatTemplate { .. }
            | E::Conversation { .. }
            | E::OutputForm { .. }
            | E::SessionBusy
            | E::TooManyTexts { .. }
            | E::VectorsAsked => Self::InvalidArgument(message),
            E::PromptTooLong {
                prompt, context, ..
            } => Self::PromptTooLong(PromptTooLong {
                prompt_tokens: u32::try_from(*prompt).unwrap_or(u32::MAX),
                context_tokens: *context,
                message,
            }),
            E::PromptTooLarge { .. } => Self::PromptTooLarge(message),
            E::Busy {
                queued,
                capacity,
                estimated_wait,
            }
            | E::OwnerBusy {
                queued,
                capacity,
                estimated_wait,
            } => Self::Busy(Busy {
                queue_length: u32::try_from(*queued).unwrap_or(u32::MAX),
                queue_capacity: u32::try_from(*capacity).unwrap_or(u32::MAX),
                estimated_wait_ms: estimated_wait
                    .map(|wait| u32::try_from(wait.as_millis()).unwrap_or(u32::MAX)),
                message,
            }),
            E::QueueTimeout { .. } | E::MaxTime { .. } => Self::Timeout(message),
            E::Unsupported { .. }
            | E::NotTaken { .. }
            | E::NotDeterministic { .. }
            | E::NoVectors { .. }
            | E::VectorsOnly { .. } => Self::Unsupported(message),
            E::Stopping | E::Unavailable | E::SessionClosed { .. } | E::MemoryShort { .. } => {
                Self::Unavailable(message)
            }
            // Other errors are failures while running. Errors of loading are mapped for `wasi:nn`.
            _ => Self::RuntimeError(message),
        }
    }
}

impl From<mynah_settings::Problem> for Problem {
    fn from(problem: mynah_settings::Problem) -> Self {
        Self {
            message: problem.to_string(),
            value: problem.value().to_owned(),
            allowed: problem.allowed(),
            line: problem.place.map(|place| place.line),
            column: problem.place.map(|place| place.column),
            path: problem.path,
        }
    }
}

/// For models that this interface loads.
impl From<NnError> for Error {
    fn from(error: NnError) -> Self {
        let NnError {
            code,
            data: message,
            ..
        } = error;
        match code {
            ErrorCode::NotFound => Self::NotFound(message),
            ErrorCode::InvalidArgument
            | ErrorCode::InvalidEncoding
            | ErrorCode::TooLarge
            | ErrorCode::Security => Self::InvalidArgument(message),
            ErrorCode::Timeout => Self::Timeout(message),
            ErrorCode::UnsupportedOperation => Self::Unsupported(message),
            ErrorCode::RuntimeError | ErrorCode::Unknown => Self::RuntimeError(message),
        }
    }
}
