//! The engine's log messages, through `tracing`: classes that can be enabled separately, the
//! request that a line is about, and whether lines may contain prompts and answers.
//!
//! Each class is a target. Other messages have the path of their module as target, such as
//! `mynah_engine::model::load`. llama.cpp's own lines have the target `llama_cpp`.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use mynah_settings::{Fault, Problem};

use crate::Error;

/// Speed: slow steps, rates, each step.
pub const PERFORMANCE: &str = "mynah::performance";

/// Memory: what is parked, resumed, kept in the prefix cache, evicted and shifted, and how short
/// memory is.
pub const MEMORY: &str = "mynah::memory";

/// Requests: when they are queued and started, and one line at the end of each with everything.
pub const TASK: &str = "mynah::task";

/// Prompts and answers, if [`show_content`] allows it.
pub const CONTENT: &str = "mynah::content";

static SHOWS_CONTENT: AtomicBool = AtomicBool::new(false);

/// Sets whether prompts, answers and guests' texts in errors may be logged, for the whole process.
/// Initially they may not.
pub fn show_content(shown: bool) {
    SHOWS_CONTENT.store(shown, Ordering::Relaxed);
}

/// Whether prompts and answers may be logged.
#[must_use]
pub fn shows_content() -> bool {
    SHOWS_CONTENT.load(Ordering::Relaxed)
}

/// Logs an event about a request, with its model, session, number and owner. `$of` is a
/// [`RequestLog`](crate::request_log::RequestLog); it is only evaluated if the event is enabled.
#[macro_export]
macro_rules! log_request {
    ($level:ident, $target:expr, $of:expr, $($rest:tt)+) => {
        $crate::log::tracing::event!(
            target: $target,
            $crate::log::tracing::Level::$level,
            model = &*$of.name,
            session = $of.session,
            request = $of.number,
            owner = $of.owner.name(),
            $($rest)+
        )
    };
}
#[doc(hidden)]
pub use tracing;

pub use log_request;

/// Milliseconds with a resolution of one microsecond, the format of times in the log.
#[must_use]
pub fn millis(time: std::time::Duration) -> f64 {
    let micros = u32::try_from(time.as_micros())
        .map_or_else(|_| (time.as_secs_f64() * 1e6).round(), f64::from);
    micros / 1e3
}

/// An error for the log: without the guest's texts, unless they may be logged.
#[derive(Debug, Clone, Copy)]
pub struct Logged<'a>(pub &'a Error);

impl fmt::Display for Logged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(error) = self;
        if shows_content() {
            return write!(f, "{error}");
        }
        match error {
            Error::Settings { problems } => {
                let paths: Vec<&str> = problems.iter().map(logged_path).collect();
                write!(f, "settings that can't be: {}", paths.join(", "))
            }
            Error::ChatTemplate { model, .. } => {
                write!(
                    f,
                    "the chat template of `{model}` can't render the messages"
                )
            }
            Error::Conversation { .. } => f.write_str("the conversation can't be answered"),
            Error::NotTaken { model, .. } => {
                write!(
                    f,
                    "`{model}` can't answer what the conversation has or asks for"
                )
            }
            Error::OutputForm { form, .. } => write!(f, "`{form}` can't be the form of an answer"),
            Error::InText {
                index,
                texts,
                error,
            } => write!(f, "text {index} of {texts}: {}", Logged(error)),
            Error::UnknownModel { .. } => f.write_str("there is no model of the name asked for"),
            // These contain only numbers, and texts of the operator, llama.cpp or the operating
            // system.
            Error::Backend(_)
            | Error::Unsupported { .. }
            | Error::LoadCancelled { .. }
            | Error::DuplicateModel { .. }
            | Error::EmptyPrompt
            | Error::PromptTooLarge { .. }
            | Error::PromptTooLong { .. }
            | Error::LongStretch { .. }
            | Error::UnknownToken { .. }
            | Error::Busy { .. }
            | Error::OwnerBusy { .. }
            | Error::QueueTimeout { .. }
            | Error::MemoryShort { .. }
            | Error::MaxTime { .. }
            | Error::TooManyTexts { .. }
            | Error::NoVectors { .. }
            | Error::VectorsOnly { .. }
            | Error::VectorsAsked
            | Error::TooManySessions { .. }
            | Error::TooManyOwnerSessions { .. }
            | Error::SessionClosed { .. }
            | Error::NotDeterministic { .. }
            | Error::SessionBusy
            | Error::OutputFormLost { .. }
            | Error::Stopping
            | Error::Unavailable
            | Error::Decode { .. }
            | Error::Thread(_) => write!(f, "{error}"),
        }
    }
}

/// The path of a setting for the log. An unknown key is the guest's text.
#[must_use]
pub fn logged_path(problem: &Problem) -> &str {
    match &problem.fault {
        _ if shows_content() => &problem.path,
        Fault::Unknown { .. } => "a key that there isn't",
        Fault::Unreadable { .. } => "the document",
        Fault::Value { .. } | Fault::Twice { .. } | Fault::NoEffect { .. } => &problem.path,
    }
}
