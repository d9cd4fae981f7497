//! Settings for the end of an answer, for the session's cache, and for scheduling.

use std::time::Duration;

use super::builder::builder;
use crate::bindings::mynah::llm::settings as wit;

builder! {
    /// When an answer ends, if the model does not end it. The [`FinishReason`](crate::FinishReason)
    /// says which limit was reached.
    pub struct Stopping {
        /// Maximum number of tokens to generate, 1 or more. [`u32::MAX`] generates until the
        /// context is full. Default 512.
        max_tokens: u32;
        /// Maximum time for the whole request, from 1 millisecond to a day, in whole milliseconds.
        /// A request that is still in the queue by then fails with
        /// [`Error::Timeout`](crate::Error::Timeout). A running one ends with
        /// [`FinishReason::MaxTime`](crate::FinishReason::MaxTime) and keeps its text so far.
        /// Default no limit.
        max_time: Duration;
        /// Strings that end the answer wherever they occur. The answer has the text before the
        /// first of them. Up to 64 strings of 1 to 256 bytes each. An empty list removes the stop
        /// strings that the operator set.
        stop: Vec<String> as texts;
        /// Whether generation continues after the model's end-of-generation token. Default no.
        ignore_eos: bool;
    }
}

builder! {
    /// What a session keeps of earlier computation.
    /// [`Session::effective`](crate::Session::effective) gives the host's defaults.
    pub struct Memory {
        /// Whether the oldest part of a conversation is removed when the context is full.
        context_shifting: bool;
        /// Number of tokens at the beginning that context shifting never removes; -1 means the
        /// first prompt. System messages at the beginning of a conversation always stay.
        n_keep: i32;
        /// Whether a prompt reuses the cached computation of the longest beginning that it shares
        /// with an earlier prompt.
        cache_prompt: bool;
        /// Maximum number of tokens to keep in the prefix cache, up to the operator's limit; 0
        /// keeps none.
        max_cache_tokens: u32;
    }
}

builder! {
    /// When a request runs, and how it is batched with others.
    pub struct Scheduling {
        /// The request's priority, up to the operator's limit. Default normal.
        priority: Priority;
        /// Maximum time that a request waits in the queue, from 1 millisecond to a day, in whole
        /// milliseconds. After that it fails with [`Error::Timeout`](crate::Error::Timeout), and
        /// the model does no work for it. The operator sets the default.
        queue_timeout: Duration;
        /// Computes the sequence apart from all others, so that the same prompt, settings and seed
        /// give the same text whatever else the model is doing. This slows down every request of
        /// the model. Default no.
        deterministic: bool;
    }
}

/// A request's priority.
///
/// Requests of higher priority run first. A waiting request gains priority with time, so every
/// request is served in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// May be parked, without loss, while an urgent request needs its sequence.
    Low,
    /// The default.
    Normal,
    /// Runs before normal requests.
    High,
    /// Runs before all others. If no sequence is free, it takes that of a running
    /// [`Low`](Self::Low) request.
    Urgent,
}

impl Stopping {
    /// The value of [`Stopping::max_time`].
    pub(super) fn time_limit(&self) -> Option<Duration> {
        self.max_time
    }
}

impl From<Stopping> for wit::Stopping {
    fn from(stopping: Stopping) -> Self {
        Self {
            max_tokens: stopping.max_tokens,
            max_time_ms: stopping.max_time.map(milliseconds),
            stop: stopping.stop,
            ignore_eos: stopping.ignore_eos,
        }
    }
}

impl From<Memory> for wit::Memory {
    fn from(memory: Memory) -> Self {
        Self {
            context_shifting: memory.context_shifting,
            n_keep: memory.n_keep,
            cache_prompt: memory.cache_prompt,
            max_cache_tokens: memory.max_cache_tokens,
        }
    }
}

impl From<Scheduling> for wit::Scheduling {
    fn from(scheduling: Scheduling) -> Self {
        Self {
            priority: scheduling.priority.map(wit::Priority::from),
            queue_timeout_ms: scheduling.queue_timeout.map(milliseconds),
            deterministic: scheduling.deterministic,
        }
    }
}

impl From<Priority> for wit::Priority {
    fn from(priority: Priority) -> Self {
        match priority {
            Priority::Low => Self::Low,
            Priority::Normal => Self::Normal,
            Priority::High => Self::High,
            Priority::Urgent => Self::Urgent,
        }
    }
}

/// Milliseconds of a duration. A time too long for the contract's `u32` becomes [`u32::MAX`], which
/// the host refuses because it is more than a day.
fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}
