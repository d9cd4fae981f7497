//! What a model is doing, as its worker last published it. Reading it never waits for the worker's
//! work.

mod ignored;
mod meter;
mod report;

use std::sync::Arc;
use std::time::Duration;

use crate::{Pressure, RequestOutcome};
pub use ignored::IgnoredKey;
pub(crate) use ignored::IgnoredKeys;
pub use meter::{Histogram, Performance, Rate};
pub use meter::{Meter, StepNote};
pub use report::{
    ByPriority, Histograms, MemoryReport, ModelReport, ModelState, Percentiles, PerformanceReport,
    Presence, QueueReport, Report, SessionsReport,
};

/// What a model is doing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Status {
    /// Requests that wait.
    pub queued: usize,
    /// Of these, by priority, in the order of [`Priority::ALL`](crate::Priority::ALL).
    pub queued_by_priority: [usize; 4],
    /// Requests that may wait.
    pub queue_capacity: usize,
    /// How long the one that has waited longest has waited.
    pub oldest_wait: Option<Duration>,
    /// Time that a request which came now would wait, estimated from how fast requests left the
    /// queue so far; `None` before any has.
    pub estimated_wait: Option<Duration>,
    /// Requests that are being computed: generations that hold a sequence, and requests for
    /// vectors.
    pub running: usize,
    /// Generations whose sequence is parked, to be resumed.
    pub parked: usize,
    /// Bytes of host memory that the states of parked sequences take.
    pub parked_bytes: u64,
    /// Sessions that are open.
    pub sessions: u32,
    /// Of these, sessions that have a request which waits or runs.
    pub sessions_busy: u32,
    /// Of the others, sessions whose tokens are in KV cells.
    pub sessions_resident: u32,
    /// Of the others, sessions whose tokens are in host memory.
    pub sessions_parked: u32,
    /// Sessions that were closed because nobody had used them for long.
    pub sessions_closed: u64,
    /// Tokens that are in KV cells.
    pub cells_used: u64,
    /// Of these, tokens of sequences that have ended, which are kept for prompts that begin alike.
    /// They make way for whoever needs their cells.
    pub cells_idle: u64,
    /// KV cells.
    pub cells_total: u64,
    /// Each sequence has KV cells of its own; else they share one pool.
    pub cells_split: bool,
    /// Decode steps since the model was loaded, aborted and failed ones included.
    pub steps: u64,
    /// Of these, steps that were aborted because everybody in them was cancelled.
    pub aborted_steps: u64,
    /// Of these, steps that failed.
    pub failed_steps: u64,
    /// How often the llama.cpp context was made anew, after several steps in a row had failed.
    pub recoveries: u64,
    /// How short memory is, as it was looked at last: four times a second while anything runs.
    pub pressure: Pressure,
    /// Sequences that made way for an urgent request, or because their reader didn't read while
    /// others waited.
    pub preempted: u64,
    /// Sequences that were parked because KV cells ran out.
    pub exhausted: u64,
    /// Sequences that were resumed.
    pub resumed: u64,
    /// Sequences that were computed again: after a failed step, or because their state was not kept
    /// when they were parked.
    pub recomputed: u64,
    /// How fast the model is.
    pub performance: Performance,
    /// What was computed for vectors.
    pub embedding: EmbeddingStatus,
    /// What is remembered.
    pub cache: CacheStatus,
    /// What of it is on disk, where there is a state folder.
    pub disk: Option<DiskStatus>,
    /// What has become of all requests.
    pub requests: Requests,
    /// How evenly those that want something now are served, by weight: Jain's index, 1.0 is even,
    /// 1/n is all for one of n.
    pub fairness: f64,
}

/// What a model remembers of sequences that have ended, and what that was good for since the model
/// was loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheStatus {
    /// Requests that found the beginning of their prompt computed.
    pub hits: u64,
    /// Requests that looked for it and found nothing.
    pub misses: u64,
    /// Prompt tokens that didn't have to be computed.
    pub cached_tokens: u64,
    /// What was remembered and had to go: for lack of room, or beyond `max_cache_tokens`.
    pub evictions: u64,
    /// How often the oldest part of a conversation made room, or a prompt came without a part of
    /// what it had.
    pub shifts: u64,
    /// Of these, how often what is kept had to be computed again: the model's memory can't be
    /// shifted, the cells were shared, or the request is deterministic.
    pub reevaluated: u64,
    /// Tokens that are remembered in KV cells.
    pub resident_tokens: u64,
    /// Tokens that are remembered in host memory.
    pub saved_tokens: u64,
    /// Bytes of host memory that they take.
    pub saved_bytes: u64,
}

/// Where a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum SessionState {
    /// A request of it waits in the queue.
    Waiting,
    /// A request of it is being computed.
    Running,
    /// A request of it was begun, and had to make way.
    Preempted,
    /// It does nothing; its tokens are in KV cells.
    Resident,
    /// It does nothing; its tokens are in host memory.
    Parked,
    /// It does nothing; its tokens are on disk, or computed again when it comes back.
    Cold,
}

impl SessionState {
    /// The state's name, as everywhere outside Rust.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// What one session does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionStatus {
    /// Its number, the same as long as it lives.
    pub id: u64,
    /// Where it is.
    pub state: SessionState,
    /// Tokens that are computed or being computed for it.
    pub tokens: u32,
    /// How long ago its last request began or ended, or it was opened.
    pub last_used: Duration,
}

/// What a model has computed for vectors since it was loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EmbeddingStatus {
    /// Texts whose vectors are done.
    pub texts: u64,
    /// Steps that were computed for them.
    pub steps: u64,
}

/// What a model remembers on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DiskStatus {
    /// Tokens that are there.
    pub tokens: u64,
    /// Bytes of their files.
    pub bytes: u64,
    /// Bytes that they may take, with those of models that nobody uses.
    pub max_bytes: u64,
    /// States that were written.
    pub written: u64,
    /// States that were read back.
    pub read: u64,
    /// States that had to make way for others, or had no room.
    pub evictions: u64,
    /// Files that were damaged or another model's: what they held is computed again.
    pub damaged: u64,
    /// States that were being written when the process ended before, and are lost.
    pub interrupted: u64,
    /// States that could not be written, for an error that was logged.
    pub failed: u64,
}

impl CacheStatus {
    /// Something had to go from memory; `is_stored`: it is on disk still.
    pub fn evicted(&mut self, is_stored: bool) {
        if !is_stored {
            self.evictions += 1;
        }
    }

    /// A request found so many tokens of its prompt computed.
    pub fn asked(&mut self, cached: u32) {
        if cached > 0 {
            self.hits += 1;
            self.cached_tokens += u64::from(cached);
        } else {
            self.misses += 1;
        }
    }
}

/// What has become of all requests since the model was loaded.
///
/// `accepted` is always the sum of the others but `refused`, and of those that wait, run or are
/// parked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// Taken into the queue.
    pub accepted: u64,
    /// Turned away because the queue was full, or memory was short.
    pub refused: u64,
    /// Ended by themselves: the model was done, or a limit was reached.
    pub completed: u64,
    /// Waited for longer than they may.
    pub timed_out: u64,
    /// Cancelled by their reader.
    pub cancelled: u64,
    /// Broken off by an error.
    pub failed: u64,
}

impl Status {
    /// What is left of it when the model leaves memory: what has been, and nothing that is.
    /// The status of the model once it has left memory: totals stay, present states are zero.
    #[must_use]
    pub fn when_unloaded(self) -> Self {
        Self {
            sessions: 0,
            sessions_busy: 0,
            sessions_resident: 0,
            sessions_parked: 0,
            parked_bytes: 0,
            cells_used: 0,
            cells_idle: 0,
            cells_total: 0,
            pressure: Pressure::default(),
            cache: CacheStatus {
                resident_tokens: 0,
                saved_tokens: 0,
                saved_bytes: 0,
                ..self.cache
            },
            ..self
        }
    }
}

impl Requests {
    /// Counts the end of a request. Rejected ones are not counted.
    pub fn count<E>(&mut self, outcome: &RequestOutcome<E>) {
        match outcome {
            RequestOutcome::Completed(_) => self.completed += 1,
            RequestOutcome::Refused(_) => self.refused += 1,
            RequestOutcome::Rejected(_) => {}
            RequestOutcome::TimedOut(_) => self.timed_out += 1,
            RequestOutcome::Cancelled => self.cancelled += 1,
            RequestOutcome::Failed(_) => self.failed += 1,
        }
    }

    /// Requests that have ended, however.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.completed + self.timed_out + self.cancelled + self.failed
    }
}

/// What one owner was served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerShare {
    /// The owner's name.
    pub name: Arc<str>,
    /// Its weight.
    pub weight: u32,
    /// Tokens that were computed for it, of prompts and answers.
    pub served_tokens: u64,
    /// Its requests that wait, run or are parked.
    pub requests: usize,
}
