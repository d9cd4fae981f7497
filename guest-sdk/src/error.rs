//! Errors of `mynah:llm` and `wasi:nn`.

use std::fmt;
use std::time::Duration;

use crate::bindings::{mynah, wasi};

/// The SDK's result.
pub type Result<T> = std::result::Result<T, Error>;

/// The reason for which a request was refused or a generation broke off.
///
/// Each message says what was asked, what the limit or state was, and what to do. A generation that
/// reached a limit or was cancelled is not an error: see [`FinishReason`](crate::FinishReason).
///
/// `Debug` shows the same message as `Display`, because a `main` that returns [`Result`] prints it.
#[non_exhaustive]
pub enum Error {
    /// The request is invalid: an empty prompt, a token that the model does not have, a second
    /// generation in a session that runs one.
    InvalidArgument(String),
    /// Some settings are invalid: the list contains all of them. None of the settings is in force.
    InvalidSettings(Vec<Problem>),
    /// No model of this name is granted to this component.
    NotFound(String),
    /// The answer is not the JSON that was asked for.
    NotJson {
        /// What is wrong with the answer, and why the generation ended.
        message: String,
        /// The text of the answer.
        text: String,
    },
    /// The text given to `Session::restore` is not a saved conversation, is damaged, or has a later
    /// version.
    NotAConversation(String),
    /// The prompt has more tokens than the context holds.
    PromptTooLong {
        /// Tokens in the prompt.
        prompt_tokens: u32,
        /// Tokens that the session's context holds, prompt and answer together.
        context_tokens: u32,
        /// What to do about it.
        message: String,
    },
    /// The prompt has more bytes than the host accepts.
    PromptTooLarge(String),
    /// The model's queue is full. The same request may succeed later.
    Busy {
        /// Requests that are waiting now.
        queue_length: u32,
        /// Capacity of the queue, in requests.
        queue_capacity: u32,
        /// Estimated time until the queue has room, from the rate at which requests leave it;
        /// `None` before any has left.
        estimated_wait: Option<Duration>,
        /// What to do about it.
        message: String,
    },
    /// The request reached its time limit in the queue. The model did no work for it.
    Timeout(String),
    /// The model cannot do what was asked: for example, it has no chat template or does not
    /// generate text.
    Unsupported(String),
    /// The model was unloaded while the request waited or ran.
    Unavailable {
        /// What happened.
        message: String,
        /// The text that was generated before.
        partial_text: String,
    },
    /// The host failed.
    RuntimeError {
        /// What happened.
        message: String,
        /// The text that was generated before.
        partial_text: String,
    },
    /// [`Session::run`](crate::Session::run) reached a limit before the model was done.
    RunLimit {
        /// The limit.
        limit: RunLimit,
        /// What was reached, and what to do.
        message: String,
        /// The text of all answers before.
        partial_text: String,
    },
    /// An error of `wasi:nn`, from loading a model or opening a session.
    Nn {
        /// The kind of error.
        code: NnErrorCode,
        /// What was wrong, and what to do.
        message: String,
    },
    /// Reading or writing failed in the guest itself. The SDK does no I/O; this variant is for a
    /// `main` that prints a stream and returns [`Result`].
    Io(std::io::Error),
}

/// A limit of [`RunLimits`](crate::RunLimits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunLimit {
    /// [`RunLimits::rounds`](crate::RunLimits::rounds).
    Rounds,
    /// [`RunLimits::calls`](crate::RunLimits::calls).
    Calls,
    /// [`RunLimits::time`](crate::RunLimits::time).
    Time,
}

/// An error or warning about one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The setting's path as the document wrote it, such as `sampling.top_p`.
    pub path: String,
    /// The value in the document; empty if the problem is not about the value.
    pub value: String,
    /// The allowed values, or what to do.
    pub allowed: String,
    /// Line and column in the document, from 1, if there is a document.
    pub place: Option<(u32, u32)>,
    /// The whole problem as one sentence.
    pub message: String,
}

impl From<mynah::llm::errors::Problem> for Problem {
    fn from(problem: mynah::llm::errors::Problem) -> Self {
        Self {
            path: problem.path,
            value: problem.value,
            allowed: problem.allowed,
            place: problem.line.zip(problem.column),
            message: problem.message,
        }
    }
}

/// The kinds of error of `wasi:nn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NnErrorCode {
    /// The request is invalid.
    InvalidArgument,
    /// The bytes are not a model that the host can read, or the host does not support the encoding.
    InvalidEncoding,
    /// A time limit of the operator was reached.
    Timeout,
    /// The host failed.
    RuntimeError,
    /// The host or the model cannot do what was asked.
    UnsupportedOperation,
    /// A limit of the host was exceeded: size of a model, a tensor or a prompt, or number of
    /// sessions.
    TooLarge,
    /// No model of this name is granted to this component.
    NotFound,
    /// The operator does not allow it.
    Security,
    /// None of the others.
    Unknown,
}

impl Error {
    /// The text that was generated before the failure; empty if there was none.
    #[must_use]
    pub fn partial_text(&self) -> &str {
        match self {
            Self::Unavailable { partial_text, .. }
            | Self::RuntimeError { partial_text, .. }
            | Self::RunLimit { partial_text, .. } => partial_text,
            Self::InvalidArgument(_)
            | Self::InvalidSettings(_)
            | Self::NotFound(_)
            | Self::NotJson { .. }
            | Self::NotAConversation(_)
            | Self::PromptTooLong { .. }
            | Self::PromptTooLarge(_)
            | Self::Busy { .. }
            | Self::Timeout(_)
            | Self::Unsupported(_)
            | Self::Nn { .. }
            | Self::Io(_) => "",
        }
    }

    /// Whether the host refuses the request only because it is serving others: its queue is full,
    /// or as many sessions are open as may be.
    pub(crate) fn ends_with_others(&self) -> bool {
        let too_many = NnErrorCode::TooLarge;
        matches!(self, Self::Busy { .. })
            || matches!(self, Self::Nn { code, .. } if *code == too_many)
    }

    /// Adds the text that was generated before, if the error is one that can break off a
    /// generation.
    pub(crate) fn after(mut self, text: &str) -> Self {
        if let Self::Unavailable { partial_text, .. } | Self::RuntimeError { partial_text, .. } =
            &mut self
        {
            text.clone_into(partial_text);
        }
        self
    }
}

impl NnErrorCode {
    /// The code in the spelling of `wasi:nn`, such as `not-found`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid-argument",
            Self::InvalidEncoding => "invalid-encoding",
            Self::Timeout => "timeout",
            Self::RuntimeError => "runtime-error",
            Self::UnsupportedOperation => "unsupported-operation",
            Self::TooLarge => "too-large",
            Self::NotFound => "not-found",
            Self::Security => "security",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for NnErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidSettings(problems) => {
                let told: Vec<&str> = problems
                    .iter()
                    .map(|problem| problem.message.as_str())
                    .collect();
                f.write_str(&told.join("; "))
            }
            Self::InvalidArgument(message)
            | Self::NotFound(message)
            | Self::NotJson { message, .. }
            | Self::NotAConversation(message)
            | Self::PromptTooLong { message, .. }
            | Self::PromptTooLarge(message)
            | Self::Busy { message, .. }
            | Self::Timeout(message)
            | Self::Unsupported(message)
            | Self::Unavailable { message, .. }
            | Self::RuntimeError { message, .. }
            | Self::RunLimit { message, .. }
            | Self::Nn { message, .. } => f.write_str(message),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // The message of this error is the I/O error's own, so the chain continues with its
            // source.
            Self::Io(error) => error.source(),
            Self::InvalidArgument(_)
            | Self::InvalidSettings(_)
            | Self::NotFound(_)
            | Self::NotJson { .. }
            | Self::NotAConversation(_)
            | Self::PromptTooLong { .. }
            | Self::PromptTooLarge(_)
            | Self::Busy { .. }
            | Self::Timeout(_)
            | Self::Unsupported(_)
            | Self::Unavailable { .. }
            | Self::RuntimeError { .. }
            | Self::RunLimit { .. }
            | Self::Nn { .. } => None,
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<mynah::llm::errors::Error> for Error {
    fn from(error: mynah::llm::errors::Error) -> Self {
        use mynah::llm::errors::Error as E;

        let partial_text = String::new();
        match error {
            E::InvalidArgument(message) => Self::InvalidArgument(message),
            E::InvalidSettings(problems) => {
                Self::InvalidSettings(problems.into_iter().map(Problem::from).collect())
            }
            E::NotFound(message) => Self::NotFound(message),
            E::PromptTooLong(error) => Self::PromptTooLong {
                prompt_tokens: error.prompt_tokens,
                context_tokens: error.context_tokens,
                message: error.message,
            },
            E::PromptTooLarge(message) => Self::PromptTooLarge(message),
            E::Busy(error) => Self::Busy {
                queue_length: error.queue_length,
                queue_capacity: error.queue_capacity,
                estimated_wait: error
                    .estimated_wait_ms
                    .map(|ms| Duration::from_millis(ms.into())),
                message: error.message,
            },
            E::Timeout(message) => Self::Timeout(message),
            E::Unsupported(message) => Self::Unsupported(message),
            E::Unavailable(message) => Self::Unavailable {
                message,
                partial_text,
            },
            E::RuntimeError(message) => Self::RuntimeError {
                message,
                partial_text,
            },
        }
    }
}

impl From<wasi::nn::errors::Error> for Error {
    fn from(error: wasi::nn::errors::Error) -> Self {
        Self::Nn {
            code: error.code().into(),
            message: error.data(),
        }
    }
}

impl From<wasi::nn::errors::ErrorCode> for NnErrorCode {
    fn from(code: wasi::nn::errors::ErrorCode) -> Self {
        use wasi::nn::errors::ErrorCode as E;

        match code {
            E::InvalidArgument => Self::InvalidArgument,
            E::InvalidEncoding => Self::InvalidEncoding,
            E::Timeout => Self::Timeout,
            E::RuntimeError => Self::RuntimeError,
            E::UnsupportedOperation => Self::UnsupportedOperation,
            E::TooLarge => Self::TooLarge,
            E::NotFound => Self::NotFound,
            E::Security => Self::Security,
            E::Unknown => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_breaks_off_a_generation_keeps_its_text() {
        let failed = mynah::llm::errors::Error::RuntimeError("out of memory".into());
        let error = Error::from(failed).after("Once upon");
        assert_eq!(error.partial_text(), "Once upon");
        assert_eq!(error.to_string(), "out of memory");
    }

    #[test]
    fn a_refused_request_has_no_text() {
        let refused = mynah::llm::errors::Error::InvalidArgument("empty".into());
        assert_eq!(Error::from(refused).after("x").partial_text(), "");
    }

    #[test]
    fn numbers_of_the_contract_stay_numbers() {
        let too_long = mynah::llm::errors::PromptTooLong {
            prompt_tokens: 5000,
            context_tokens: 4096,
            message: "shorten it".into(),
        };
        let error = Error::from(mynah::llm::errors::Error::PromptTooLong(too_long));
        assert!(
            matches!(
                error,
                Error::PromptTooLong {
                    prompt_tokens: 5000,
                    context_tokens: 4096,
                    ..
                }
            ),
            "{error:?}"
        );
    }

    /// Newcomer 13. What `main` prints has no variants, fields or quotes. A code such as
    /// `too-large` can mean several things, and the message says which.
    #[test]
    fn an_error_reads_the_same_wherever_it_is_printed() {
        let problem = |path: &str, message: &str| Problem {
            path: path.to_owned(),
            value: "-1".to_owned(),
            allowed: "0.0 or more".to_owned(),
            place: None,
            message: message.to_owned(),
        };
        let problems = vec![problem("a", "`a` is -1"), problem("b", "`b` is -1")];
        let nn = |code| Error::Nn {
            code,
            message: "no model `x`".into(),
        };
        for (error, message) in [
            (nn(NnErrorCode::NotFound), "no model `x`"),
            (nn(NnErrorCode::TooLarge), "no model `x`"),
            (Error::InvalidSettings(problems), "`a` is -1; `b` is -1"),
            (Error::Timeout("too late".to_owned()), "too late"),
        ] {
            assert_eq!(error.to_string(), message);
            assert_eq!(format!("{error:?}"), message);
        }
    }
}
