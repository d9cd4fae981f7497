//! The state of a model as its worker last published it. Reading it never waits for the worker's
//! work.

use std::sync::Arc;
use std::time::Duration;

use super::meter::Performance;
use crate::{Pressure, RequestOutcome};

/// The state of a model.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Status {
    /// Number of waiting requests.
    pub queued: usize,
    /// These by priority, in the order of [`Priority::ALL`](mynah_settings::Priority::ALL).
    pub queued_by_priority: [usize; 4],
    /// Maximum number of waiting requests.
    pub queue_capacity: usize,
    /// The longest time that a waiting request has waited so far.
    pub oldest_wait: Option<Duration>,
    /// Estimated waiting time of a new request, based on how fast requests left the queue so far.
    /// `None` if none has.
    pub estimated_wait: Option<Duration>,
    /// Number of requests that are being computed: generations that hold a sequence, and requests
    /// for vectors.
    pub running: usize,
    /// Number of generations whose sequence is parked.
    pub parked: usize,
    /// Bytes of host memory for the states of parked sequences.
    pub parked_bytes: u64,
    /// Number of open sessions.
    pub sessions: u32,
    /// Number of these sessions that have a waiting or running request.
    pub sessions_busy: u32,
    /// Number of the other sessions whose tokens are in KV cells.
    pub sessions_resident: u32,
    /// Number of the other sessions whose tokens are in host memory.
    pub sessions_parked: u32,
    /// Number of sessions that were closed because they were idle.
    pub sessions_closed: u64,
    /// Number of tokens in KV cells.
    pub cells_used: u64,
    /// Number of these tokens whose sequence has ended. They are kept for prompts with the same
    /// beginning, and evicted when cells are needed.
    pub cells_idle: u64,
    /// Number of KV cells.
    pub cells_total: u64,
    /// Whether each sequence has its own KV cells. Otherwise they share one pool.
    pub cells_split: bool,
    /// Number of decode steps since the model was loaded, including aborted and failed ones.
    pub steps: u64,
    /// Number of these steps that were aborted because all their requests were cancelled.
    pub aborted_steps: u64,
    /// Number of these steps that failed.
    pub failed_steps: u64,
    /// How often the llama.cpp context was recreated after several failed steps in a row.
    pub recoveries: u64,
    /// The memory pressure at the last measurement. It is measured four times a second while
    /// requests run.
    pub pressure: Pressure,
    /// Number of sequences that were parked for an urgent request, or because their reader did not
    /// read while others waited.
    pub preempted: u64,
    /// Number of sequences that were parked because KV cells ran out.
    pub exhausted: u64,
    /// Number of sequences that were resumed.
    pub resumed: u64,
    /// Number of sequences that were computed again, after a failed step or because their state was
    /// not kept when they were parked.
    pub recomputed: u64,
    /// The performance of the model.
    pub performance: Performance,
    /// The computation of vectors.
    pub embedding: EmbeddingStatus,
    /// The prefix cache.
    pub cache: CacheStatus,
    /// The part of the prefix cache on disk, if there is a state folder.
    pub disk: Option<DiskStatus>,
    /// The outcomes of all requests.
    pub requests: Requests,
    /// Fairness among the owners with requests, by weight: Jain's index. 1.0 is even, 1/n means
    /// that one of n owners gets everything.
    pub fairness: f64,
}

/// The prefix cache: its content, and its use since the model was loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CacheStatus {
    /// Number of requests that found the beginning of their prompt in the cache.
    pub hits: u64,
    /// Number of requests that found nothing.
    pub misses: u64,
    /// Number of prompt tokens that did not have to be computed.
    pub cached_tokens: u64,
    /// Number of entries that were evicted for lack of memory, or beyond `max_cache_tokens`.
    pub evictions: u64,
    /// How often the oldest part of a conversation was removed, or a new prompt lacked a part of
    /// the earlier one.
    pub shifts: u64,
    /// How often the rest then had to be computed again, because the model's memory cannot be
    /// shifted, the cells were shared, or the request is deterministic.
    pub reevaluated: u64,
    /// Number of cached tokens in KV cells.
    pub resident_tokens: u64,
    /// Number of cached tokens in host memory.
    pub saved_tokens: u64,
    /// Bytes of host memory that they take.
    pub saved_bytes: u64,
}

/// The state of a session.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, serde::Serialize, serde::Deserialize,
)]
#[strum(serialize_all = "lowercase")]
pub enum SessionState {
    /// It has a request in the queue.
    Waiting,
    /// It has a running request.
    Running,
    /// It has a request that was started and then parked.
    Preempted,
    /// It is idle, and its tokens are in KV cells.
    Resident,
    /// It is idle, and its tokens are in host memory.
    Parked,
    /// It is idle, and its tokens are on disk, or will be computed again.
    Cold,
}

impl SessionState {
    /// The name of the state in JSON and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The status of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SessionStatus {
    /// The number, the same for its whole lifetime.
    pub id: u64,
    /// The state.
    pub state: SessionState,
    /// Number of its tokens that are computed or being computed.
    pub tokens: u32,
    /// Time since its last request started or ended, or since it was opened.
    pub last_used: Duration,
}

/// The computation of vectors since the model was loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EmbeddingStatus {
    /// Number of texts with a computed vector.
    pub texts: u64,
    /// Number of steps for them.
    pub steps: u64,
}

/// The part of a model's prefix cache on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DiskStatus {
    /// Number of stored tokens.
    pub tokens: u64,
    /// Size of their files in bytes.
    pub bytes: u64,
    /// Maximum size in bytes, including the files of unused models.
    pub max_bytes: u64,
    /// Number of states that were written.
    pub written: u64,
    /// Number of states that were read back.
    pub read: u64,
    /// Number of states that were evicted, or did not fit.
    pub evictions: u64,
    /// Number of files that were damaged or belonged to another model. Their contents are computed
    /// again.
    pub damaged: u64,
    /// Number of states that were lost because an earlier process ended while writing them.
    pub interrupted: u64,
    /// Number of states that could not be written because of an error, which was logged.
    pub failed: u64,
}

impl CacheStatus {
    /// Counts an eviction from memory, unless the entry `is_stored` on disk.
    pub fn evicted(&mut self, is_stored: bool) {
        if !is_stored {
            self.evictions += 1;
        }
    }

    /// Counts a request that found this number of its prompt's tokens in the cache.
    pub fn asked(&mut self, cached: u32) {
        if cached > 0 {
            self.hits += 1;
            self.cached_tokens += u64::from(cached);
        } else {
            self.misses += 1;
        }
    }
}

/// The outcomes of all requests since the model was loaded.
///
/// `accepted` is always the sum of the others except `refused`, and of the requests that wait, run
/// or are parked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Requests {
    /// Accepted into the queue.
    pub accepted: u64,
    /// Refused because the queue was full, or memory was short.
    pub refused: u64,
    /// Ended by themselves: the model ended the answer, or a limit was reached.
    pub completed: u64,
    /// Exceeded their maximum time.
    pub timed_out: u64,
    /// Cancelled by their reader.
    pub cancelled: u64,
    /// Ended by an error.
    pub failed: u64,
}

impl Status {
    /// The status after the model was unloaded. Totals stay, and current values are zero.
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

    /// Number of requests that have ended for any reason.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.completed + self.timed_out + self.cancelled + self.failed
    }
}

/// The work done for one owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerShare {
    /// The name.
    pub name: Arc<str>,
    /// The weight.
    pub weight: u32,
    /// Number of tokens that were computed for it, of prompts and answers.
    pub served_tokens: u64,
    /// Number of its requests that wait, run or are parked.
    pub requests: usize,
}
