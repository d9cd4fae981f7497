//! Tests that every message says what was requested, what the state was, and what to do.

use std::io;

use super::*;
use crate::testing::{check_messages, error_messages};

fn io_error() -> io::Error {
    io::ErrorKind::PermissionDenied.into()
}

#[test]
fn every_error_says_what_was_there_and_what_to_do() {
    let (path, mib) = (|| PathBuf::from("a.gguf"), ByteSize::mib);
    let reason = || "out of luck".to_owned();
    let name = || "parrot".to_owned();
    let ms = Duration::from_millis;
    check_messages(error_messages! { Error:
        Error::LoadCancelled { .. } => Error::LoadCancelled { path: path() },
            says ["a.gguf"], advises "load it again";
        Error::Settings { .. } =>
            Error::Settings { problems: vec![Problem::new("max_tokens", 0, "1 or more")] },
            says ["`max_tokens` is 0"], advises "it must be 1 or more";
        Error::UnknownModel { .. } => Error::UnknownModel { name: name() },
            says ["`parrot`"], advises "use a name that was granted";
        Error::DuplicateModel { .. } => Error::DuplicateModel { name: name() },
            says ["`parrot`", "twice"], advises "give each model its own name";
        Error::EmptyPrompt => Error::EmptyPrompt, says ["empty"], advises "send at least one token";
        Error::PromptTooLarge { .. } => Error::PromptTooLarge { bytes: 99, limit: 10 },
            says ["99 bytes", "at most 10"],
            advises "shorten it, or have the operator raise `max_prompt_bytes`";
        Error::PromptTooLong { .. } =>
            Error::PromptTooLong { prompt: 99, at_least: true, context: 64 },
            says ["at least 99 tokens", "holds 64"],
            advises "shorten it, or have the operator raise `ctx_size`";
        Error::LongStretch { .. } =>
            Error::LongStretch { model: name(), length: 9000, unit: "digits", limit: 4096 },
            says ["`parrot`", "9000 digits", "at most 4096"], advises "break them up";
        Error::UnknownToken { .. } => Error::UnknownToken { token: 999, index: 3, last: 255 },
            says ["token 999", "index 3"], advises "use ids from 0 to 255";
        Error::Conversation { .. } => Error::Conversation { reason: reason() },
            says ["out of luck"], advises "Correct that";
        Error::NotTaken { .. } => Error::NotTaken { model: name(), reason: reason() },
            says ["`parrot`", "out of luck"], advises "Leave that out, or use another model";
        Error::ChatTemplate { .. } => Error::ChatTemplate { model: name(), reason: reason() },
            says ["`parrot`", "out of luck"], advises "Send what it takes";
        Error::Busy { .. } => Error::Busy { queued: 5, capacity: 5, estimated_wait: Some(ms(70)) },
            says ["5 of 5 requests", "70 ms"],
            advises "Try again later, or have the operator raise `queue_size`";
        Error::OwnerBusy { .. } =>
            Error::OwnerBusy { queued: 5, capacity: 5, estimated_wait: Some(ms(70)) },
            says ["5 requests", "70 ms"],
            advises "Try again later, or have the operator raise `max_owner_queue`";
        Error::QueueTimeout { .. } =>
            Error::QueueTimeout { waited: ms(31), limit: ms(30), setting: "max_time_ms" },
            says ["31 ms", "at most 30 ms"], advises "try again later, or raise `max_time_ms`";
        Error::MemoryShort { .. } => Error::MemoryShort { used: mib(9), limit: mib(10) },
            says ["9.0 MiB", "10.0 MiB"], advises "Try again when others have ended";
        Error::MaxTime { .. } => Error::MaxTime { limit: ms(30) },
            says ["30 ms"], advises "give it more (`max_time_ms`)";
        Error::TooManyTexts { .. } => Error::TooManyTexts { texts: 300, limit: 256 },
            says ["300 texts", "at most 256"], advises "send them in several requests";
        Error::InText { .. } =>
            Error::InText { index: 7, texts: 10, error: Box::new(Error::EmptyPrompt) },
            says ["text 7 of 10", "empty"], advises "send at least one token";
        Error::NoVectors { .. } => Error::NoVectors { model: name(), reason: reason() },
            says ["`parrot`", "gives no vectors"], advises "Use another model";
        Error::VectorsOnly { .. } =>
            Error::VectorsOnly { model: name(), architecture: "bert".to_owned() },
            says ["`parrot`", "`bert`"], advises "ask for vectors";
        Error::VectorsAsked => Error::VectorsAsked,
            says ["`embedding` is set"], advises "leave it out, or ask for vectors";
        Error::TooManySessions { .. } => Error::TooManySessions { limit: 8 },
            says ["8 sessions"],
            advises "close one, try again later, or have the operator raise `max_sessions`";
        Error::TooManyOwnerSessions { .. } => Error::TooManyOwnerSessions { limit: 8 },
            says ["8 sessions"],
            advises "close one, or have the operator raise `max_owner_sessions`";
        Error::SessionClosed { .. } => Error::SessionClosed { idle: Duration::from_secs(300) },
            says ["300 s"], advises "open a new one";
        Error::NotDeterministic { .. } => Error::NotDeterministic { cells: 4096 },
            says ["4096 KV cells"], advises "Serve it with `kv_layout` split";
        Error::SessionBusy => Error::SessionBusy,
            says ["generating already"], advises "read its generation to the end";
        Error::OutputForm { .. } => Error::OutputForm { form: "regex", reason: reason() },
            says ["`regex`", "out of luck"], advises "Change it, or leave it out";
        Error::OutputFormLost { .. } => Error::OutputFormLost { reason: reason() },
            says ["out of luck"], advises "Use a simpler form";
        Error::Stopping => Error::Stopping,
            says ["stopping"], advises "try again when it has been restarted";
        Error::Unavailable => Error::Unavailable, says ["no longer there"], advises "load it again";
        Error::Decode { .. } => Error::Decode { attempts: 3, reason: reason() },
            says ["3 times", "out of luck"], advises "See the host's log";
        Error::Thread(_) => Error::Thread(io_error()),
            says ["permission denied"], advises "Raise the limit on processes and threads";
        Error::Unsupported { .. } =>
            Error::Unsupported { feature: Feature::Vectors, model: name(), backend: "echo" },
            says ["`parrot`", "echo", "vectors"], advises "Use a model of another backend";
        Error::Backend(_) => Error::Backend(BackendError::new(
            BackendErrorKind::Failed,
            io::Error::other("it broke: mend it"),
        )),
            says ["it broke"], advises "mend it";
    });
}

#[test]
fn all_settings_out_of_range_are_named_at_once() {
    let error = Error::Settings {
        problems: vec![
            Problem::new("max_tokens", 0, "1 or more"),
            Problem::new("temperature", -1.0, "0.0 to 100.0"),
        ],
    };
    let text = error.to_string();
    assert!(
        text.contains("`max_tokens` is 0") && text.contains("`temperature` is -1"),
        "{text}"
    );
}
