//! `wasi:nn/errors`: the error codes and messages.

use mynah_core::log::TASK;
use wasmtime::component::Resource;

use crate::bindings::wasi::nn::errors::{ErrorCode, Host, HostError};
use crate::{LlmCtxView, NnError};

impl NnError {
    pub(crate) fn new(code: ErrorCode, data: impl Into<String>) -> Self {
        Self {
            code,
            data: data.into(),
            cost: 0,
        }
    }

    /// Appends the text that was generated before the error, so that it is not lost.
    pub(crate) fn with_partial(mut self, text: &str) -> Self {
        if !text.is_empty() {
            self.data.push_str("\ntext so far:\n");
            self.data.push_str(text);
        }
        self
    }
}

impl From<mynah_settings::SettingsError> for NnError {
    fn from(error: mynah_settings::SettingsError) -> Self {
        mynah_core::Error::from(error).into()
    }
}

impl From<mynah_core::Error> for NnError {
    fn from(error: mynah_core::Error) -> Self {
        use mynah_core::{BackendErrorKind as Kind, Error as E};

        let code = match error.inner() {
            E::EmptyPrompt
            | E::Settings { .. }
            | E::UnknownToken { .. }
            | E::LongStretch { .. }
            | E::ChatTemplate { .. }
            | E::Conversation { .. }
            | E::OutputForm { .. }
            | E::SessionBusy
            | E::VectorsAsked
            | E::DuplicateModel { .. } => ErrorCode::InvalidArgument,
            E::Backend(error) => match error.kind() {
                Kind::ModelNotFound | Kind::InvalidModel => ErrorCode::InvalidEncoding,
                Kind::Unsupported => ErrorCode::UnsupportedOperation,
                Kind::TooLarge => ErrorCode::TooLarge,
                Kind::Failed => ErrorCode::RuntimeError,
                // A kind that this crate doesn't know yet.
                _ => ErrorCode::Unknown,
            },
            E::PromptTooLarge { .. }
            | E::PromptTooLong { .. }
            | E::TooManySessions { .. }
            | E::TooManyOwnerSessions { .. }
            | E::TooManyTexts { .. } => ErrorCode::TooLarge,
            E::UnknownModel { .. } => ErrorCode::NotFound,
            E::Unsupported { .. }
            | E::NotTaken { .. }
            | E::NotDeterministic { .. }
            | E::NoVectors { .. }
            | E::VectorsOnly { .. } => ErrorCode::UnsupportedOperation,
            E::QueueTimeout { .. } | E::MaxTime { .. } => ErrorCode::Timeout,
            E::Busy { .. }
            | E::OwnerBusy { .. }
            | E::MemoryShort { .. }
            | E::LoadCancelled { .. }
            | E::Stopping
            | E::Unavailable
            | E::SessionClosed { .. }
            | E::Decode { .. }
            | E::OutputFormLost { .. }
            | E::Thread(_) => ErrorCode::RuntimeError,
            // A variant that this crate does not know yet.
            _ => ErrorCode::Unknown,
        };
        Self::new(code, error.to_string())
    }
}

impl LlmCtxView<'_> {
    /// Converts a result into that of a `wasi:nn` function, where an error is a resource.
    pub(crate) fn answer<T>(
        &mut self,
        result: Result<T, NnError>,
    ) -> wasmtime::Result<Result<T, Resource<NnError>>> {
        Ok(match result {
            Ok(value) => Ok(value),
            Err(error) => {
                tracing::debug!(
                    target: TASK,
                    owner = self.ctx.owner.name(),
                    code = ?error.code,
                    "a call of wasi:nn failed"
                );
                Err(self.table.push(error)?)
            }
        })
    }

    pub(super) fn drop_error(&mut self, error: Resource<NnError>) -> wasmtime::Result<()> {
        let error = self.table.delete(error)?;
        self.release(error.cost);
        Ok(())
    }
}

impl Host for LlmCtxView<'_> {}

impl HostError for LlmCtxView<'_> {
    async fn code(&mut self, error: Resource<NnError>) -> wasmtime::Result<ErrorCode> {
        Ok(self.table.get(&error)?.code)
    }

    async fn data(&mut self, error: Resource<NnError>) -> wasmtime::Result<String> {
        Ok(self.table.get(&error)?.data.clone())
    }

    async fn drop(&mut self, error: Resource<NnError>) -> wasmtime::Result<()> {
        self.drop_error(error)
    }
}
