//! What there is to know of a model, in five kinds: the records that every view shows, and their
//! JSON.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::{DiskStatus, Histogram, IgnoredKey, Rate, Status};
use mynah_settings::Priority;

use crate::{Feature, MemoryUse, ModelInfo, PressureLevel, Snapshot};

/// What there is to know of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What waits and runs, and what became of all requests.
    pub queue: QueueReport,
    /// KV cells, what is remembered, and memory.
    pub memory: MemoryReport,
    /// Conversations.
    pub sessions: SessionsReport,
    /// How fast the model is.
    pub performance: PerformanceReport,
    /// What the model is.
    pub model: ModelReport,
}

/// What waits and runs, and what became of all requests since the model was loaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueReport {
    /// Requests that wait.
    pub length: u64,
    /// Requests that may wait.
    pub capacity: u64,
    /// Those that wait, by priority.
    pub by_priority: ByPriority,
    /// Requests that are being computed.
    pub running: u64,
    /// Requests that were begun and had to make way; they are resumed.
    pub parked: u64,
    /// Milliseconds that the one which has waited longest has waited.
    pub oldest_wait_ms: Option<u64>,
    /// Milliseconds that a request which came now would wait, estimated.
    pub estimated_wait_ms: Option<u64>,
    /// Requests that were taken into the queue.
    pub accepted: u64,
    /// Requests that ended by themselves.
    pub completed: u64,
    /// Requests that were turned away: the queue was full, or memory short.
    pub refused: u64,
    /// Requests that had waited or run for as long as they may, without an answer.
    pub timed_out: u64,
    /// Requests that their reader cancelled.
    pub cancelled: u64,
    /// Requests that an error broke off.
    pub failed: u64,
    /// How often one made way for an urgent one, or for others while its reader didn't read.
    pub preempted: u64,
    /// How often one made way because KV cells ran out.
    pub exhausted: u64,
    /// How often one was resumed.
    pub resumed: u64,
    /// How evenly owners are served, by weight: 1.0 is even.
    pub fairness: f64,
}

/// A number for each priority.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the priority of that name")]
pub struct ByPriority {
    pub low: u64,
    pub normal: u64,
    pub high: u64,
    pub urgent: u64,
}

/// KV cells, what is remembered, and memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemoryReport {
    /// KV cells that hold a token.
    pub cells_used: u64,
    /// Of these, cells of what has ended, which is remembered there.
    pub cells_idle: u64,
    /// KV cells.
    pub cells_total: u64,
    /// Tokens that are remembered, in cells and in host memory.
    pub prefix_tokens: u64,
    /// Bytes of host memory that they take there.
    pub prefix_bytes: u64,
    /// Requests that found the beginning of their prompt.
    pub hits: u64,
    /// Requests that looked for it and found nothing.
    pub misses: u64,
    /// Share of the hits, 0.0 to 1.0.
    pub hit_rate: f64,
    /// Prompt tokens that didn't have to be computed.
    pub cached_tokens: u64,
    /// What was remembered and had to go.
    pub evictions: u64,
    /// How often the oldest part of a conversation made room, or a prompt came without a part of
    /// what it had.
    pub shifts: u64,
    /// Of these, how often what is kept had to be computed again.
    pub reevaluated: u64,
    /// Sessions whose tokens are in host memory: idle ones, and those whose request is parked.
    pub parked_sessions: u64,
    /// Bytes of host memory of requests that are parked.
    pub parked_bytes: u64,
    /// What is remembered on disk, where there is a state folder.
    pub disk: Option<DiskStatus>,
    /// Memory of the process and what it may have, where the system tells.
    pub process: Option<MemoryUse>,
    /// Memory of all graphics cards, where there is one.
    pub device: Option<MemoryUse>,
    /// How short memory is.
    pub pressure: PressureLevel,
}

/// Conversations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionsReport {
    /// Sessions that are open.
    pub open: u64,
    /// Of these, sessions with a request that waits or runs.
    pub busy: u64,
    /// Of these, sessions without.
    pub idle: u64,
    /// Idle sessions whose tokens are in KV cells.
    pub resident: u64,
    /// Idle sessions whose tokens are in host memory.
    pub parked: u64,
    /// Sessions that were closed because nobody had used them.
    pub closed: u64,
}

/// How fast a model is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PerformanceReport {
    /// Prompt tokens that were computed since the model was loaded.
    pub prompt_tokens: u64,
    /// Tokens of answers that were made.
    pub generated_tokens: u64,
    /// Tokens per second of the last five seconds.
    pub now: Rate,
    /// Of the last minute.
    pub minute: Rate,
    /// Of the last five minutes.
    pub five_minutes: Rate,
    /// From a request to its first token.
    pub first_token: Percentiles,
    /// From one token of an answer to the next.
    pub between_tokens: Percentiles,
    /// Decode steps.
    pub step: Percentiles,
    /// Share of the tokens that the steps could have computed that they did, 0.0 to 1.0.
    pub batch_fill: f64,
    /// Share of the time of the steps that choosing tokens took, 0.0 to 1.0.
    pub sampling_share: f64,
    /// Texts whose vectors were computed.
    pub embedded_texts: u64,
    /// Decode steps, those that failed or were aborted among them.
    pub steps: u64,
    /// Decode steps that failed.
    pub failed_steps: u64,
    /// The same times, bucket by bucket. Not in the JSON.
    #[serde(skip)]
    pub histograms: Histograms,
}

/// Times, bucket by bucket.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histograms {
    /// From a request to its first token.
    pub first_token: Arc<Histogram>,
    /// From one token of an answer to the next.
    pub between_tokens: Arc<Histogram>,
    /// Decode steps.
    pub step: Arc<Histogram>,
}

/// Times that a half, nine tenths and ninety-nine hundredths took at most, in milliseconds; a fifth
/// too long at worst. `None` before anything was measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the percentile of that name")]
pub struct Percentiles {
    pub p50_ms: Option<f64>,
    pub p90_ms: Option<f64>,
    pub p99_ms: Option<f64>,
}

impl From<&Histogram> for Percentiles {
    fn from(times: &Histogram) -> Self {
        let at = |share| times.quantile(share).map(|seconds| seconds * 1000.0);
        Self {
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
        }
    }
}

/// Whether a model is in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelState {
    /// It is.
    Loaded,
    /// It is on its way there, or out of it.
    Loading,
    /// Nobody has used it for long; the next request loads it.
    Unloaded,
}

/// What a model is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelReport {
    /// Its file's name for it.
    pub name: String,
    /// The name of its backend, such as `llama.cpp`.
    #[serde(default)]
    pub backend: String,
    /// What its backend can do with it.
    #[serde(default)]
    pub features: Vec<Feature>,
    /// Such as `llama`.
    pub architecture: String,
    /// Weights.
    pub parameters: u64,
    /// Of the weights in use, such as `Q8_0`.
    pub quantisation: String,
    /// Bytes of the weights in use, as a file.
    pub bytes: u64,
    /// Tokens that it was trained to hold.
    pub context_trained: u32,
    /// Tokens that each session holds.
    pub context_size: u32,
    /// Layers.
    pub layers: u32,
    /// Of these, layers that a graphics card computes.
    pub layers_on_device: u32,
    /// Whether it is in memory.
    pub state: ModelState,
    /// Since when, in seconds since 1970.
    pub loaded_since: Option<u64>,
    /// Until when it stays if nobody uses it, in seconds since 1970; `None`: it stays, or is in
    /// use.
    pub kept_until: Option<u64>,
    /// Requests that have ended by themselves since it was loaded; `None`: not for whoever this
    /// report is for.
    pub requests_served: Option<u64>,
    /// Keys that guests of core modules sent with their settings and that set nothing; empty for
    /// whoever may not see what others do.
    pub ignored_keys: Vec<IgnoredKey>,
}

/// Whether a model is in memory, and from when to when.
#[derive(Debug, Clone, Copy)]
pub struct Presence {
    /// Whether it is.
    pub state: ModelState,
    /// Since when.
    pub loaded_since: Option<Instant>,
    /// Until when it stays if nobody uses it; `None`: it stays, or is in use.
    pub kept_until: Option<Instant>,
}

/// Seconds since 1970 at an instant of this process's clock.
fn unix(at: Instant) -> u64 {
    let now = Instant::now();
    let today = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let at = match at.checked_duration_since(now) {
        Some(ahead) => today + ahead,
        None => today.saturating_sub(now.saturating_duration_since(at)),
    };
    at.as_secs()
}

fn millis(time: Option<Duration>) -> Option<u64> {
    time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

impl Report {
    /// The report on a model of which this is known.
    #[must_use]
    pub fn new(snapshot: &Snapshot, ignored_keys: Vec<IgnoredKey>) -> Self {
        let Snapshot {
            about,
            status,
            presence,
        } = snapshot;
        let info: &ModelInfo = &about.info;
        Self {
            queue: queue(status),
            memory: memory(status),
            sessions: sessions(status),
            performance: performance(status),
            model: ModelReport {
                name: info.name.clone(),
                backend: about.backend.to_owned(),
                features: about.capabilities.features().collect(),
                architecture: info.architecture.clone(),
                parameters: info.parameters,
                quantisation: info.quantisation.clone(),
                bytes: info.file_bytes,
                context_trained: info.context_trained,
                context_size: info.context_size,
                layers: info.layers,
                layers_on_device: info.layers_on_device,
                state: presence.state,
                loaded_since: presence.loaded_since.map(unix),
                kept_until: presence.kept_until.map(unix),
                requests_served: Some(status.requests.completed),
                ignored_keys,
            },
        }
    }
}

fn queue(status: &Status) -> QueueReport {
    let waiting = |priority: Priority| {
        let place = Priority::ALL.iter().position(|one| *one == priority);
        let count = place.and_then(|place| status.queued_by_priority.get(place));
        count.map_or(0, |count| *count as u64)
    };
    let requests = &status.requests;
    QueueReport {
        length: status.queued as u64,
        capacity: status.queue_capacity as u64,
        by_priority: ByPriority {
            low: waiting(Priority::Low),
            normal: waiting(Priority::Normal),
            high: waiting(Priority::High),
            urgent: waiting(Priority::Urgent),
        },
        running: status.running as u64,
        parked: status.parked as u64,
        oldest_wait_ms: millis(status.oldest_wait),
        estimated_wait_ms: millis(status.estimated_wait),
        accepted: requests.accepted,
        completed: requests.completed,
        refused: requests.refused,
        timed_out: requests.timed_out,
        cancelled: requests.cancelled,
        failed: requests.failed,
        preempted: status.preempted,
        exhausted: status.exhausted,
        resumed: status.resumed,
        fairness: status.fairness,
    }
}

fn memory(status: &Status) -> MemoryReport {
    let cache = &status.cache;
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let hit_rate = cache.hits as f64 / (cache.hits + cache.misses).max(1) as f64;
    MemoryReport {
        cells_used: status.cells_used,
        cells_idle: status.cells_idle,
        cells_total: status.cells_total,
        prefix_tokens: cache.resident_tokens + cache.saved_tokens,
        prefix_bytes: cache.saved_bytes,
        hits: cache.hits,
        misses: cache.misses,
        hit_rate,
        cached_tokens: cache.cached_tokens,
        evictions: cache.evictions,
        shifts: cache.shifts,
        reevaluated: cache.reevaluated,
        parked_sessions: u64::from(status.sessions_parked) + status.parked as u64,
        parked_bytes: status.parked_bytes,
        disk: status.disk,
        process: status.pressure.process,
        device: status.pressure.device,
        pressure: status.pressure.level,
    }
}

fn sessions(status: &Status) -> SessionsReport {
    let (open, busy) = (u64::from(status.sessions), u64::from(status.sessions_busy));
    SessionsReport {
        open,
        busy,
        idle: open.saturating_sub(busy),
        resident: u64::from(status.sessions_resident),
        parked: u64::from(status.sessions_parked),
        closed: status.sessions_closed,
    }
}

fn performance(status: &Status) -> PerformanceReport {
    let performance = &status.performance;
    PerformanceReport {
        prompt_tokens: performance.prompt_tokens,
        generated_tokens: performance.generated_tokens,
        now: performance.now,
        minute: performance.minute,
        five_minutes: performance.five_minutes,
        first_token: Percentiles::from(&*performance.first_token),
        between_tokens: Percentiles::from(&*performance.between_tokens),
        step: Percentiles::from(&*performance.step),
        batch_fill: performance.batch_fill,
        sampling_share: performance.sampling_share,
        embedded_texts: status.embedding.texts,
        steps: status.steps,
        failed_steps: status.failed_steps,
        histograms: Histograms {
            first_token: Arc::clone(&performance.first_token),
            between_tokens: Arc::clone(&performance.between_tokens),
            step: Arc::clone(&performance.step),
        },
    }
}
