//! The report on a model, in five parts: the records that every view shows, and their JSON.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::counters::{DiskStatus, Status};
use super::ignored::IgnoredKey;
use super::meter::{Histogram, Rate};
use super::snapshot::{ModelState, Snapshot};
use mynah_settings::Priority;

use crate::{Feature, MemoryUse, ModelInfo, PressureLevel};

/// The report on a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The queue, and the outcomes of all requests.
    pub queue: QueueReport,
    /// KV cells, prefix cache and memory.
    pub memory: MemoryReport,
    /// Sessions.
    pub sessions: SessionsReport,
    /// Performance.
    pub performance: PerformanceReport,
    /// The model itself.
    pub model: ModelReport,
}

/// The queue, and the outcomes of all requests since the model was loaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueReport {
    /// Number of waiting requests.
    pub length: u64,
    /// Maximum number of waiting requests.
    pub capacity: u64,
    /// The waiting requests by priority.
    pub by_priority: ByPriority,
    /// Number of requests that are being computed.
    pub running: u64,
    /// Number of parked requests, which will be resumed.
    pub parked: u64,
    /// The longest time that a waiting request has waited so far, in milliseconds.
    pub oldest_wait_ms: Option<u64>,
    /// Estimated waiting time of a new request, in milliseconds.
    pub estimated_wait_ms: Option<u64>,
    /// Number of requests that were accepted into the queue.
    pub accepted: u64,
    /// Number of requests that ended by themselves.
    pub completed: u64,
    /// Number of requests that were refused because the queue was full, or memory was short.
    pub refused: u64,
    /// Number of requests that exceeded their maximum time without an answer.
    pub timed_out: u64,
    /// Number of requests that their reader cancelled.
    pub cancelled: u64,
    /// Number of requests that ended by an error.
    pub failed: u64,
    /// How often a request was parked for an urgent one, or for others while its reader did not
    /// read.
    pub preempted: u64,
    /// How often a request was parked because KV cells ran out.
    pub exhausted: u64,
    /// How often a request was resumed.
    pub resumed: u64,
    /// Fairness among owners, by weight. 1.0 is even.
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

/// KV cells, prefix cache and memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemoryReport {
    /// Number of KV cells with a token.
    pub cells_used: u64,
    /// Number of these cells whose sequence has ended and is cached.
    pub cells_idle: u64,
    /// Number of KV cells.
    pub cells_total: u64,
    /// Number of cached tokens, in cells and in host memory.
    pub prefix_tokens: u64,
    /// Bytes of host memory that they take.
    pub prefix_bytes: u64,
    /// Number of requests that found the beginning of their prompt in the cache.
    pub hits: u64,
    /// Number of requests that found nothing.
    pub misses: u64,
    /// Share of the hits, 0.0 to 1.0.
    pub hit_rate: f64,
    /// Number of prompt tokens that did not have to be computed.
    pub cached_tokens: u64,
    /// Number of entries that were evicted.
    pub evictions: u64,
    /// How often the oldest part of a conversation was removed, or a new prompt lacked a part of
    /// the earlier one.
    pub shifts: u64,
    /// How often the rest then had to be computed again.
    pub reevaluated: u64,
    /// Number of sessions whose tokens are in host memory: idle ones, and those with a parked
    /// request.
    pub parked_sessions: u64,
    /// Bytes of host memory of parked requests.
    pub parked_bytes: u64,
    /// The prefix cache on disk, if there is a state folder.
    pub disk: Option<DiskStatus>,
    /// Memory of the process and its limit, if the system reports it.
    pub process: Option<MemoryUse>,
    /// Memory of all graphics cards, if there are any.
    pub device: Option<MemoryUse>,
    /// The level of memory pressure.
    pub pressure: PressureLevel,
}

/// Sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionsReport {
    /// Number of open sessions.
    pub open: u64,
    /// Number of these sessions with a waiting or running request.
    pub busy: u64,
    /// Number of these sessions without one.
    pub idle: u64,
    /// Number of idle sessions whose tokens are in KV cells.
    pub resident: u64,
    /// Number of idle sessions whose tokens are in host memory.
    pub parked: u64,
    /// Number of sessions that were closed because they were idle.
    pub closed: u64,
}

/// The performance of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PerformanceReport {
    /// Number of prompt tokens computed since the model was loaded.
    pub prompt_tokens: u64,
    /// Number of answer tokens generated.
    pub generated_tokens: u64,
    /// Tokens per second of the last five seconds.
    pub now: Rate,
    /// Tokens per second of the last minute.
    pub minute: Rate,
    /// Tokens per second of the last five minutes.
    pub five_minutes: Rate,
    /// Time from a request to its first token.
    pub first_token: Percentiles,
    /// Time from one token of an answer to the next.
    pub between_tokens: Percentiles,
    /// Time of a decode step.
    pub step: Percentiles,
    /// Share of the maximum number of tokens that the steps computed, 0.0 to 1.0.
    pub batch_fill: f64,
    /// Share of the steps' time for choosing tokens, 0.0 to 1.0.
    pub sampling_share: f64,
    /// Number of texts with a computed vector.
    pub embedded_texts: u64,
    /// Number of decode steps, including failed and aborted ones.
    pub steps: u64,
    /// Number of failed decode steps.
    pub failed_steps: u64,
    /// The distributions of the same times. Not in the JSON.
    #[serde(skip)]
    pub histograms: Histograms,
}

/// Distributions of times.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histograms {
    /// Time from a request to its first token.
    pub first_token: Arc<Histogram>,
    /// Time from one token of an answer to the next.
    pub between_tokens: Arc<Histogram>,
    /// Time of a decode step.
    pub step: Arc<Histogram>,
}

/// Percentiles 50, 90 and 99 in milliseconds, up to a fifth too long. `None` if there is no
/// measurement.
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

/// The description of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelReport {
    /// The name in its file.
    pub name: String,
    /// The name of the backend, such as `llama.cpp`.
    #[serde(default)]
    pub backend: String,
    /// What its backend can do with it.
    #[serde(default)]
    pub features: Vec<Feature>,
    /// The architecture, such as `llama`.
    pub architecture: String,
    /// Number of weights.
    pub parameters: u64,
    /// Quantisation of the weights in use, such as `Q8_0`.
    pub quantisation: String,
    /// File size of the weights in use, in bytes.
    pub bytes: u64,
    /// Context size that the model was trained with, in tokens.
    pub context_trained: u32,
    /// Context size of each session, in tokens.
    pub context_size: u32,
    /// Number of layers.
    pub layers: u32,
    /// Number of these layers that a graphics card computes.
    pub layers_on_device: u32,
    /// Whether it is in memory.
    pub state: ModelState,
    /// Time of its loading, in seconds since 1970.
    pub loaded_since: Option<u64>,
    /// Time until which it stays if it is not used, in seconds since 1970. `None`: it stays, or is
    /// in use.
    pub kept_until: Option<u64>,
    /// Number of requests that have ended by themselves since it was loaded. `None` if the reader
    /// of this report may not see it.
    pub requests_served: Option<u64>,
    /// Keys without effect in the settings of guests of core modules. Empty if the reader of this
    /// report may not see what other guests do.
    pub ignored_keys: Vec<IgnoredKey>,
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
    /// The report for this snapshot.
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
