//! Errors on their way from the process of a model to the host.
//!
//! [`mynah_core::Error`] holds texts of the program and errors of the system, which can't be sent.
//! The host replaces them by its own, so the process can't choose them.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use mynah_core::{BackendError, BackendErrorKind, Error, Feature};
use mynah_settings::Problem;
use serde::{Deserialize, Serialize};

/// Declares the errors that are sent field by field, and both conversions.
macro_rules! sent {
    ($($error:ident $({ $($field:ident: $kind:ty),* })?,)*) => {
        /// An error on its way.
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        pub(crate) enum WireError {
            $($error $({ $($field: $kind),* })?,)*
            LongStretch { model: String, length: usize, unit: String, limit: usize },
            QueueTimeout { waited: Duration, limit: Duration, setting: String },
            MemoryShort { used: u64, limit: u64 },
            OutputForm { form: String, reason: String },
            Unsupported { feature: Feature, model: String },
            Thread { text: String },
            Backend { kind: BackendErrorKind, text: String },
        }

        impl From<Error> for WireError {
            fn from(error: Error) -> Self {
                match error {
                    $(Error::$error $({ $($field),* })? => Self::$error $({ $($field),* })?,)*
                    Error::LongStretch { model, length, unit, limit } => {
                        Self::LongStretch { model, length, unit: unit.to_owned(), limit }
                    }
                    Error::QueueTimeout { waited, limit, setting } => {
                        Self::QueueTimeout { waited, limit, setting: setting.to_owned() }
                    }
                    Error::MemoryShort { used, limit } => {
                        Self::MemoryShort { used: used.as_u64(), limit: limit.as_u64() }
                    }
                    Error::OutputForm { form, reason } => {
                        Self::OutputForm { form: form.to_owned(), reason }
                    }
                    Error::Unsupported { feature, model, .. } => {
                        Self::Unsupported { feature, model }
                    }
                    Error::Thread(error) => Self::Thread { text: error.to_string() },
                    Error::Backend(error) => Self::Backend {
                        kind: error.kind(),
                        text: error.to_string(),
                    },
                    // The list of errors may grow.
                    other => Self::Backend {
                        kind: BackendErrorKind::Failed,
                        text: other.to_string(),
                    },
                }
            }
        }

        impl WireError {
            /// The error for the caller. `backend` is the name of the backend.
            pub(crate) fn into_error(self, backend: &'static str) -> Error {
                match self {
                    $(Self::$error $({ $($field),* })? => Error::$error $({ $($field),* })?,)*
                    Self::LongStretch { model, length, unit, limit } => {
                        Error::LongStretch { model, length, unit: known(&UNITS, &unit), limit }
                    }
                    Self::QueueTimeout { waited, limit, setting } => Error::QueueTimeout {
                        waited,
                        limit,
                        setting: known(&TIME_SETTINGS, &setting),
                    },
                    Self::MemoryShort { used, limit } => {
                        Error::MemoryShort { used: ByteSize(used), limit: ByteSize(limit) }
                    }
                    Self::OutputForm { form, reason } => {
                        Error::OutputForm { form: known(&FORMS, &form), reason }
                    }
                    Self::Unsupported { feature, model } => {
                        Error::Unsupported { feature, model, backend }
                    }
                    Self::Thread { text } => Error::Thread(std::io::Error::other(text)),
                    Self::Backend { kind, mut text } => {
                        text.truncate(text.floor_char_boundary(MAX_TEXT));
                        BackendError::new(kind, text).into()
                    }
                }
            }
        }
    };
}

sent! {
    LoadCancelled { path: PathBuf },
    Settings { problems: Vec<Problem> },
    UnknownModel { name: String },
    DuplicateModel { name: String },
    EmptyPrompt,
    PromptTooLarge { bytes: u64, limit: u64 },
    PromptTooLong { prompt: usize, at_least: bool, context: u32 },
    UnknownToken { token: u32, index: usize, last: u32 },
    ChatTemplate { model: String, reason: String },
    Conversation { reason: String },
    NotTaken { model: String, reason: String },
    Busy { queued: usize, capacity: usize, estimated_wait: Option<Duration> },
    OwnerBusy { queued: usize, capacity: usize, estimated_wait: Option<Duration> },
    MaxTime { limit: Duration },
    TooManyTexts { texts: usize, limit: usize },
    NoVectors { model: String, reason: String },
    VectorsOnly { model: String, architecture: String },
    VectorsAsked,
    TooManySessions { limit: u32 },
    TooManyOwnerSessions { limit: u32 },
    SessionClosed { idle: Duration },
    NotDeterministic { cells: u32 },
    SessionBusy,
    Stopping,
    OutputFormLost { reason: String },
    Unavailable,
    Decode { attempts: u32, reason: String },
}

/// The error of a request. It is no variant of [`WireError`]: an error within an error within
/// another has no end, and reading it would take as much stack as the process likes.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EndError {
    /// The text that it is about: its index, and the number of texts ([`Error::InText`]).
    in_text: Option<(usize, usize)>,
    error: WireError,
}

impl From<WireError> for EndError {
    fn from(error: WireError) -> Self {
        let in_text = None;
        Self { in_text, error }
    }
}

impl From<Error> for EndError {
    fn from(error: Error) -> Self {
        match error {
            Error::InText {
                index,
                texts,
                error,
            } => Self {
                in_text: Some((index, texts)),
                error: (*error).into(),
            },
            error => WireError::from(error).into(),
        }
    }
}

impl EndError {
    /// The error for the caller. See [`WireError::into_error`].
    pub(crate) fn into_error(self, backend: &'static str) -> Error {
        let error = self.error.into_error(backend);
        match self.in_text {
            Some((index, texts)) => Error::InText {
                index,
                texts,
                error: Box::new(error),
            },
            None => error,
        }
    }
}

/// Maximum size in bytes of the text of a backend's error.
const MAX_TEXT: usize = 4096;

/// The units of [`Error::LongStretch`]; the first stands for any other.
const UNITS: [&str; 3] = [
    "characters without white space",
    "digits",
    "white space characters",
];
/// The settings of [`Error::QueueTimeout`]; the first stands for any other.
const TIME_SETTINGS: [&str; 3] = ["queue_timeout_ms", "default_task_timeout_ms", "max_time_ms"];
/// The settings of [`Error::OutputForm`]; the first stands for any other.
const FORMS: [&str; 4] = ["json_schema", "regex", "lark", "grammar"];

/// The text of the program that equals this one, or the first of them.
fn known<const N: usize>(all: &[&'static str; N], text: &str) -> &'static str {
    let same = all.iter().find(|one| **one == text).or(all.first());
    same.copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use mynah_settings::{Fault, Place};

    use super::*;
    use crate::wire::frame;

    /// One error of each kind.
    fn all() -> Vec<Error> {
        let (waited, limit) = (Duration::from_millis(7), Duration::from_secs(1));
        let estimated_wait = Some(limit);
        let text = || "text".to_owned();
        vec![
            Error::LoadCancelled { path: "a".into() },
            Error::Settings {
                problems: vec![Problem {
                    path: text(),
                    place: Some(Place { line: 1, column: 2 }),
                    fault: Fault::Unknown { hint: text() },
                }],
            },
            Error::UnknownModel { name: text() },
            Error::DuplicateModel { name: text() },
            Error::EmptyPrompt,
            Error::PromptTooLarge { bytes: 2, limit: 1 },
            Error::PromptTooLong {
                prompt: 2,
                at_least: true,
                context: 1,
            },
            Error::LongStretch {
                model: text(),
                length: 2,
                unit: "digits",
                limit: 1,
            },
            Error::UnknownToken {
                token: 3,
                index: 0,
                last: 2,
            },
            Error::ChatTemplate {
                model: text(),
                reason: text(),
            },
            Error::Conversation { reason: text() },
            Error::NotTaken {
                model: text(),
                reason: text(),
            },
            Error::Busy {
                queued: 1,
                capacity: 1,
                estimated_wait,
            },
            Error::OwnerBusy {
                queued: 1,
                capacity: 1,
                estimated_wait,
            },
            Error::QueueTimeout {
                waited,
                limit,
                setting: "max_time_ms",
            },
            Error::MemoryShort {
                used: ByteSize(2),
                limit: ByteSize(1),
            },
            Error::MaxTime { limit },
            Error::TooManyTexts { texts: 2, limit: 1 },
            Error::NoVectors {
                model: text(),
                reason: text(),
            },
            Error::VectorsOnly {
                model: text(),
                architecture: text(),
            },
            Error::VectorsAsked,
            Error::TooManySessions { limit: 1 },
            Error::TooManyOwnerSessions { limit: 1 },
            Error::SessionClosed { idle: waited },
            Error::NotDeterministic { cells: 1 },
            Error::SessionBusy,
            Error::Stopping,
            Error::OutputForm {
                form: "lark",
                reason: text(),
            },
            Error::OutputFormLost { reason: text() },
            Error::Unavailable,
            Error::Decode {
                attempts: 3,
                reason: text(),
            },
            Error::Thread(std::io::Error::other("text")),
            Error::Unsupported {
                feature: Feature::Vectors,
                model: text(),
                backend: "scripted",
            },
            Error::InText {
                index: 7,
                texts: 10,
                error: Box::new(Error::EmptyPrompt),
            },
            BackendError::new(BackendErrorKind::InvalidModel, "text").into(),
        ]
    }

    #[test]
    fn every_error_arrives_as_what_it_was() {
        for error in all() {
            let (variant, told) = (std::mem::discriminant(&error), error.to_string());
            let bytes = frame::frame(&EndError::from(error), 1 << 12).unwrap();
            let sent: EndError = frame::read(&mut bytes.as_slice(), 1 << 12).unwrap();
            let arrived = sent.into_error("scripted");
            assert_eq!(std::mem::discriminant(&arrived), variant, "{told}");
            assert_eq!(arrived.to_string(), told);
        }
    }

    #[test]
    fn a_process_can_not_choose_the_programs_own_words() {
        let sent = WireError::OutputForm {
            form: "anything".into(),
            reason: String::new(),
        };
        let arrived = sent.into_error("").to_string();
        assert!(arrived.starts_with("`json_schema`"), "{arrived}");
        let text = "é".repeat(MAX_TEXT);
        let kind = BackendErrorKind::Failed;
        let arrived = WireError::Backend { kind, text }.into_error("").to_string();
        assert_eq!(arrived.len(), MAX_TEXT);
    }
}
