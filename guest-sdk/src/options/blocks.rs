//! When an answer ends, what is remembered, when a request runs.

use std::time::Duration;

use super::builder::builder;
use crate::bindings::mynah::llm::settings as wit;

builder! {
    /// When an answer ends, if the model doesn't end it. The [`FinishReason`](crate::FinishReason)
    /// says which of them did.
    pub struct Stopping {
        /// Tokens to generate at most, 1 or more; [`u32::MAX`] is until the context is full.
        /// Default 512.
        max_tokens: u32;
        /// Time that a request takes at most in all, from 1 millisecond to a day, in whole
        /// milliseconds. When it runs out in the queue the request fails with
        /// [`Error::Timeout`](crate::Error::Timeout), later it ends with
        /// [`FinishReason::MaxTime`](crate::FinishReason::MaxTime) and its text so far. Default no
        /// limit.
        max_time: Duration;
        /// Strings that end the answer, wherever they come in it; it has the text before the first
        /// of them. Up to 64, of 1 to 256 bytes each. None at all takes away those that the
        /// operator set.
        stop: Vec<String> as texts;
        /// Whether the answer goes on where the model would end it. Default no.
        ignore_eos: bool;
    }
}

builder! {
    /// What a session remembers of what was computed before. The host's defaults are told by
    /// [`Session::effective`](crate::Session::effective).
    pub struct Memory {
        /// Whether the oldest part of a conversation makes room when the context is full.
        context_shifting: bool;
        /// Tokens at the beginning that never make room; -1 is the first prompt. System messages
        /// that a conversation begins with stay all the same.
        n_keep: i32;
        /// Whether a prompt that begins as one before it is only read from where it differs.
        cache_prompt: bool;
        /// Tokens that are remembered at most, up to what the operator allows; 0 is none.
        max_cache_tokens: u32;
    }
}

builder! {
    /// When a request runs, and beside what.
    pub struct Scheduling {
        /// How urgent a request is, up to what the operator allows. Default normal.
        priority: Priority;
        /// Time that a request waits in the queue at most, from 1 millisecond to a day, in whole
        /// milliseconds. Then it fails with [`Error::Timeout`](crate::Error::Timeout), before any
        /// model work. Default the operator's.
        queue_timeout: Duration;
        /// Computes the sequence apart from all others, so that the same prompt, settings and seed
        /// give the same text whatever else the model does. Slower, for everybody. Default no.
        deterministic: bool;
    }
}

/// How urgent a request is.
///
/// Higher goes first; a request that waits for long counts as more urgent step by step, so each is
/// served in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// May be put aside, without loss, while something urgent needs its place.
    Low,
    /// As most requests.
    Normal,
    /// Before normal ones.
    High,
    /// Before all others; takes the place of a running [`Low`](Self::Low) one where there is no
    /// other.
    Urgent,
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

/// What the contract can't carry becomes its highest value, which the host refuses: far beyond a
/// day.
fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}
