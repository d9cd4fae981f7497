//! `mynah:llm/errors`: the engine's errors as a guest sees them.

use crate::LlmCtxView;
use crate::bindings::mynah::llm::errors::{Busy, Error, Host, PromptTooLong};

impl Host for LlmCtxView<'_> {}

impl From<mynah_engine::Error> for Error {
    fn from(error: mynah_engine::Error) -> Self {
        use mynah_engine::Error as E;

        let message = error.to_string();
        match error {
            E::EmptyPrompt
            | E::Settings { .. }
            | E::UnknownToken { .. }
            | E::ChatTemplate { .. }
            | E::SessionBusy => Self::InvalidArgument(message),
            E::PromptTooLong { prompt, context } => Self::PromptTooLong(PromptTooLong {
                prompt_tokens: u32::try_from(prompt).unwrap_or(u32::MAX),
                context_tokens: context,
                message,
            }),
            E::PromptTooLarge { .. } => Self::PromptTooLarge(message),
            E::Busy {
                queued,
                capacity,
                estimated_wait,
            } => Self::Busy(Busy {
                queue_length: u32::try_from(queued).unwrap_or(u32::MAX),
                queue_capacity: u32::try_from(capacity).unwrap_or(u32::MAX),
                estimated_wait_ms: estimated_wait
                    .map(|wait| u32::try_from(wait.as_millis()).unwrap_or(u32::MAX)),
                message,
            }),
            E::QueueTimeout { .. } => Self::Timeout(message),
            E::NoChatTemplate { .. } | E::NotDeterministic { .. } => Self::Unsupported(message),
            E::Unavailable => Self::Unavailable(message),
            // Loading is `wasi:nn`'s business and has its own errors; what is left broke while it ran.
            _ => Self::RuntimeError(message),
        }
    }
}
