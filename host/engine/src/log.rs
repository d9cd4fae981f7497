//! What the engine logs, through `tracing`: classes that can be chosen alone, whose request a line
//! is about, and whether it may have the words of a prompt or an answer in it.
//!
//! Each class is a target. What is none of them has its module's path, such as
//! `mynah_engine::model::load`; llama.cpp's own lines have the target `llama_cpp`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::observer::Observed;
use crate::{Effective, Error, Fault, FinishReason, Owner, Problem, Task, Usage};

/// How fast it is: slow steps, rates, each step.
pub const PERFORMANCE: &str = "mynah::performance";

/// What memory is used for: what is parked, resumed, remembered, forgotten, shifted; how short it
/// is.
pub const MEMORY: &str = "mynah::memory";

/// What becomes of requests: queued, started, and one line at the end of each with everything.
pub const TASK: &str = "mynah::task";

/// Prompts and answers; only where [`show_content`] allows it.
pub const CONTENT: &str = "mynah::content";

static SHOWS_CONTENT: AtomicBool = AtomicBool::new(false);

/// Whether prompts and answers may be logged, and guests' words in errors, from now on; at first
/// they may not. It counts for the whole process.
pub fn show_content(shown: bool) {
    SHOWS_CONTENT.store(shown, Ordering::Relaxed);
}

/// Whether prompts and answers may be logged.
#[must_use]
pub fn shows_content() -> bool {
    SHOWS_CONTENT.load(Ordering::Relaxed)
}

/// An event about a request: with its model, session, number and owner. `$of` is a [`RequestLog`],
/// and isn't looked at unless somebody wants the event.
macro_rules! told {
    ($level:ident, $target:expr, $of:expr, $($rest:tt)+) => {
        tracing::event!(
            target: $target,
            tracing::Level::$level,
            model = &*$of.model,
            session = $of.session,
            request = $of.number,
            owner = $of.owner.name(),
            $($rest)+
        )
    };
}
pub(crate) use told;

/// What the lines of one request have in common, and whether its last line has been written.
/// Whoever has to do with the request shares it; should all of them go without a word, it says so
/// itself.
#[derive(Debug)]
pub(crate) struct RequestLog {
    /// Of this process, no other request has it.
    pub(crate) number: u64,
    pub(crate) model: Arc<str>,
    pub(crate) session: u64,
    pub(crate) owner: Owner,
    task: Task,
    has_ended: AtomicBool,
    /// Who is told of the end too.
    observed: Option<Observed>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End<'a> {
    /// For this reason, its reader's own wish among them.
    Finished(FinishReason),
    /// With its vectors.
    Embedded,
    /// It was not put in the line.
    NotTaken(&'a Error),
    /// It had its time before there was an answer.
    TimedOut(&'a Error),
    /// Something broke it.
    Failed(&'a Error),
}

impl RequestLog {
    /// A request that comes.
    pub(crate) fn new(
        model: Arc<str>,
        session: u64,
        owner: Owner,
        task: Task,
        observed: Option<Observed>,
    ) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Arc::new(Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            model,
            session,
            owner,
            task,
            has_ended: AtomicBool::new(false),
            observed,
        })
    }

    /// With these settings.
    pub(crate) fn with(&self, settings: &Arc<Effective>) {
        if let Some(observed) = &self.observed {
            observed.with(settings);
        }
    }

    /// Writes the last line, which has everything, and tells the observer. Only the first end
    /// counts.
    pub(crate) fn end(&self, end: End<'_>, usage: &Usage) {
        if self.has_ended.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Some(observed) = &self.observed {
            observed.tell(
                self.number,
                self.session,
                &self.owner,
                self.task,
                end,
                usage,
            );
        }
        let kind = self.task.kind();
        // As they are counted; what is wrong in itself never is.
        let (outcome, reason, error) = match end {
            End::Finished(FinishReason::Cancelled) => ("cancelled", None, None),
            End::Finished(reason) => ("completed", Some(reason.name()), None),
            End::Embedded => ("completed", None, None),
            End::NotTaken(error @ (Error::Busy { .. } | Error::MemoryShort { .. })) => {
                ("refused", None, Some(error))
            }
            End::NotTaken(error) => ("rejected", None, Some(error)),
            End::TimedOut(error) => ("timed out", None, Some(error)),
            End::Failed(error) => ("failed", None, Some(error)),
        };
        let error = error.map(|error| tracing::field::display(Logged(error)));
        macro_rules! last_line {
            ($level:ident) => {
                told!(
                    $level,
                    TASK,
                    self,
                    kind,
                    reason,
                    error,
                    prompt_tokens = usage.prompt_tokens,
                    cached_tokens = usage.cached_tokens,
                    generated_tokens = usage.generated_tokens,
                    forgotten_tokens = usage.forgotten_tokens,
                    queue_ms = millis(usage.queue_time),
                    prefill_ms = millis(usage.prefill_time),
                    decode_ms = millis(usage.decode_time),
                    "request {outcome}"
                )
            };
        }
        match end {
            End::Failed(_) => last_line!(WARN),
            End::Finished(_) | End::Embedded | End::NotTaken(_) | End::TimedOut(_) => {
                last_line!(INFO);
            }
        }
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        // Its worker ended before it did.
        self.end(End::Failed(&Error::Unavailable), &Usage::default());
    }
}

impl Task {
    /// What it makes.
    fn kind(self) -> &'static str {
        match self {
            Self::Chat | Self::Complete => "text",
            Self::Embed => "vectors",
        }
    }
}

/// Milliseconds to the microsecond, as the log has times.
pub(crate) fn millis(time: std::time::Duration) -> f64 {
    let micros = u32::try_from(time.as_micros())
        .map_or_else(|_| (time.as_secs_f64() * 1e6).round(), f64::from);
    micros / 1e3
}

/// An error as the log may have it: without what a guest said, unless that is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Logged<'a>(pub(crate) &'a Error);

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
            Error::OutputForm { form, .. } => write!(f, "`{form}` can't be the form of an answer"),
            Error::UnknownModel { .. } => f.write_str("there is no model of the name asked for"),
            // Numbers, what the operator said, or what llama.cpp and the system said, which know no
            // text.
            Error::Backend { .. }
            | Error::File(_)
            | Error::Load { .. }
            | Error::LoadCancelled { .. }
            | Error::Kind { .. }
            | Error::TooLittleMemory { .. }
            | Error::StateFolder { .. }
            | Error::Context { .. }
            | Error::DuplicateModel { .. }
            | Error::EmptyPrompt
            | Error::PromptTooLarge { .. }
            | Error::PromptTooLong { .. }
            | Error::UnknownToken { .. }
            | Error::Busy { .. }
            | Error::QueueTimeout { .. }
            | Error::MemoryShort { .. }
            | Error::MaxTime { .. }
            | Error::TooManyTexts { .. }
            | Error::NoVectors { .. }
            | Error::VectorsOnly { .. }
            | Error::VectorsAsked
            | Error::TooManySessions { .. }
            | Error::SessionClosed { .. }
            | Error::NotDeterministic { .. }
            | Error::SessionBusy
            | Error::OutputFormLost { .. }
            | Error::Unavailable
            | Error::Decode { .. }
            | Error::UnknownTarget { .. }
            | Error::Convert { .. }
            | Error::SameFile { .. }
            | Error::Write { .. }
            | Error::Measure { .. }
            | Error::Thread(_) => write!(f, "{error}"),
        }
    }
}

/// The path of a setting with a problem, as the log may have it: a key that there isn't is a guest's
/// own words.
#[must_use]
pub fn logged_path(problem: &Problem) -> &str {
    match &problem.fault {
        _ if shows_content() => &problem.path,
        Fault::Unknown { .. } => "a key that there isn't",
        Fault::Unreadable { .. } => "the document",
        Fault::Value { .. } | Fault::Twice { .. } | Fault::NoEffect { .. } => &problem.path,
    }
}
