//! The table of exported metrics: name, help text, kind, and how to read the value from a report.
//! Names follow OpenTelemetry's conventions for generative models where they have one.

use std::sync::Arc;

use mynah_core::{Histogram, ModelState, PressureLevel, Report};

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A current value.
    Gauge,
    /// A count that only grows while the model is loaded.
    Counter,
    /// A distribution of durations.
    Histogram,
}

/// An exported metric. The name is that of Prometheus; the exposition adds `_total` to a counter's
/// name.
#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
    pub(crate) value: fn(&Report) -> Value,
}

impl Metric {
    /// The metric's name in OpenTelemetry: namespaces are separated by dots, and the unit is not
    /// part of it. Prometheus' rules convert it into [`name`](Self::name).
    pub(crate) fn dotted_name(&self) -> String {
        let name = self.name.strip_suffix("_seconds").unwrap_or(self.name);
        match name.strip_prefix("gen_ai_server_") {
            Some(rest) => format!("gen_ai.server.{rest}"),
            None => name.replacen('_', ".", 1),
        }
    }

    /// The metric's unit as OpenTelemetry's unit code.
    pub(crate) fn unit(&self) -> &'static str {
        let ends = |suffix: &str| self.name.ends_with(suffix);
        if ends("_seconds") {
            "s"
        } else if ends("_bytes") {
            "By"
        } else if ends("_ratio") {
            "1"
        } else {
            ""
        }
    }
}

/// The value of a metric in a report.
#[derive(Debug)]
pub(crate) enum Value {
    /// The report has no value.
    None,
    One(f64),
    /// One value for each value of a label.
    By(&'static str, Vec<(&'static str, f64)>),
    /// Texts, exported as labels of a gauge with value 1.
    Told(Vec<(&'static str, String)>),
    Times(Arc<Histogram>),
}

/// One bucket for each doubling, to limit the size of a scrape. The last bucket counts all longer
/// times.
pub(crate) fn buckets(times: &Histogram) -> Vec<(f64, u64)> {
    let all: Vec<(f64, u64)> = times.buckets().collect();
    let doublings = all.chunks(Histogram::PER_DOUBLING);
    let mut buckets: Vec<(f64, u64)> = doublings
        .filter_map(|doubling| {
            let (bound, _) = doubling.last()?;
            Some((*bound, doubling.iter().map(|(_, count)| count).sum()))
        })
        .collect();
    if let Some((bound, _)) = buckets.last_mut() {
        *bound = f64::INFINITY;
    }
    buckets
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the format has no other numbers, and 2^53 bytes or tokens are far"
)]
fn count(number: u64) -> f64 {
    number as f64
}

fn one(number: u64) -> Value {
    Value::One(count(number))
}

fn by<const N: usize>(label: &'static str, numbers: [(&'static str, u64); N]) -> Value {
    let numbers = numbers.map(|(name, number)| (name, count(number)));
    Value::By(label, numbers.to_vec())
}

fn some(number: Option<u64>) -> Value {
    number.map_or(Value::None, one)
}

fn seconds(millis: Option<u64>) -> Value {
    millis.map_or(Value::None, |millis| Value::One(count(millis) / 1000.0))
}

const fn metric(
    name: &'static str,
    help: &'static str,
    kind: Kind,
    value: fn(&Report) -> Value,
) -> Metric {
    Metric {
        name,
        help,
        kind,
        value,
    }
}

const GAUGE: Kind = Kind::Gauge;
const COUNTER: Kind = Kind::Counter;
const HISTOGRAM: Kind = Kind::Histogram;

/// All exported metrics.
pub(crate) const METRICS: &[Metric] = &[
    metric(
        "mynah_queue_length",
        "Requests in the queue",
        GAUGE,
        |report| {
            let waiting = &report.queue.by_priority;
            by(
                "priority",
                [
                    ("low", waiting.low),
                    ("normal", waiting.normal),
                    ("high", waiting.high),
                    ("urgent", waiting.urgent),
                ],
            )
        },
    ),
    metric(
        "mynah_queue_capacity",
        "Capacity of the queue",
        GAUGE,
        |report| one(report.queue.capacity),
    ),
    metric(
        "mynah_queue_oldest_wait_seconds",
        "Longest current wait in the queue",
        GAUGE,
        |report| seconds(report.queue.oldest_wait_ms),
    ),
    metric(
        "mynah_queue_estimated_wait_seconds",
        "Estimated wait of a new request",
        GAUGE,
        |report| seconds(report.queue.estimated_wait_ms),
    ),
    metric(
        "mynah_requests_running",
        "Requests that run",
        GAUGE,
        |report| one(report.queue.running),
    ),
    metric(
        "mynah_requests_parked",
        "Requests that were preempted and wait to be resumed",
        GAUGE,
        |report| one(report.queue.parked),
    ),
    metric(
        "mynah_requests_accepted",
        "Requests that the queue accepted",
        COUNTER,
        |report| one(report.queue.accepted),
    ),
    metric(
        "mynah_requests",
        "Finished requests by outcome",
        COUNTER,
        |report| {
            let queue = &report.queue;
            by(
                "outcome",
                [
                    ("completed", queue.completed),
                    ("refused", queue.refused),
                    ("timed_out", queue.timed_out),
                    ("cancelled", queue.cancelled),
                    ("failed", queue.failed),
                ],
            )
        },
    ),
    metric(
        "mynah_preemptions",
        "Preemptions of a request by another",
        COUNTER,
        |report| one(report.queue.preempted),
    ),
    metric(
        "mynah_exhaustions",
        "Preemptions of a request because KV cells ran out",
        COUNTER,
        |report| one(report.queue.exhausted),
    ),
    metric("mynah_kv_cells", "KV cells", GAUGE, |report| {
        one(report.memory.cells_total)
    }),
    metric(
        "mynah_kv_cells_used",
        "KV cells that hold a token",
        GAUGE,
        |report| one(report.memory.cells_used),
    ),
    metric(
        "mynah_kv_cells_idle",
        "KV cells of the prefix cache",
        GAUGE,
        |report| one(report.memory.cells_idle),
    ),
    metric(
        "mynah_prefix_tokens",
        "Tokens in the prefix cache",
        GAUGE,
        |report| one(report.memory.prefix_tokens),
    ),
    metric(
        "mynah_prefix_bytes",
        "Host memory of the prefix cache",
        GAUGE,
        |report| one(report.memory.prefix_bytes),
    ),
    metric(
        "mynah_prefix_hits",
        "Requests whose prompt begins with cached tokens",
        COUNTER,
        |report| one(report.memory.hits),
    ),
    metric(
        "mynah_prefix_misses",
        "Requests whose prompt was not in the prefix cache",
        COUNTER,
        |report| one(report.memory.misses),
    ),
    metric(
        "mynah_prefix_cached_tokens",
        "Prompt tokens reused from the prefix cache",
        COUNTER,
        |report| one(report.memory.cached_tokens),
    ),
    metric(
        "mynah_prefix_evictions",
        "Evictions from the prefix cache",
        COUNTER,
        |report| one(report.memory.evictions),
    ),
    metric(
        "mynah_context_shifts",
        "Context shifts: the oldest part of a conversation was removed",
        COUNTER,
        |report| one(report.memory.shifts),
    ),
    metric(
        "mynah_context_reevaluations",
        "Context shifts after which the kept tokens were computed again",
        COUNTER,
        |report| one(report.memory.reevaluated),
    ),
    metric(
        "mynah_parked_bytes",
        "Host memory of parked requests",
        GAUGE,
        |report| one(report.memory.parked_bytes),
    ),
    metric(
        "mynah_disk_bytes",
        "Size of the saved states on disk",
        GAUGE,
        |report| some(report.memory.disk.map(|disk| disk.bytes)),
    ),
    metric(
        "mynah_process_memory_bytes",
        "Memory of the process",
        GAUGE,
        |report| some(report.memory.process.map(|memory| memory.used)),
    ),
    metric(
        "mynah_process_memory_limit_bytes",
        "Memory limit of the process",
        GAUGE,
        |report| some(report.memory.process.map(|memory| memory.limit)),
    ),
    metric(
        "mynah_device_memory_bytes",
        "Memory of graphics cards in use",
        GAUGE,
        |report| some(report.memory.device.map(|memory| memory.used)),
    ),
    metric(
        "mynah_device_memory_limit_bytes",
        "Total memory of graphics cards",
        GAUGE,
        |report| some(report.memory.device.map(|memory| memory.limit)),
    ),
    metric(
        "mynah_pressure_level",
        "Memory pressure: 0 none, 1 drop, 2 park, 3 close, 4 refuse",
        GAUGE,
        |report| {
            let mut levels = PressureLevel::ALL.iter().copied().zip(0..);
            let level = levels.find(|(level, _)| *level == report.memory.pressure);
            some(level.map(|(_, number)| number))
        },
    ),
    metric("mynah_sessions_open", "Open sessions", GAUGE, |report| {
        one(report.sessions.open)
    }),
    metric(
        "mynah_sessions",
        "Open sessions by state",
        GAUGE,
        |report| {
            let sessions = &report.sessions;
            let cold = sessions
                .idle
                .saturating_sub(sessions.resident + sessions.parked);
            by(
                "state",
                [
                    ("busy", sessions.busy),
                    ("resident", sessions.resident),
                    ("parked", sessions.parked),
                    ("cold", cold),
                ],
            )
        },
    ),
    metric(
        "mynah_sessions_closed",
        "Sessions closed because they were unused",
        COUNTER,
        |report| one(report.sessions.closed),
    ),
    metric("mynah_tokens", "Computed tokens", COUNTER, |report| {
        let performance = &report.performance;
        by(
            "type",
            [
                ("input", performance.prompt_tokens),
                ("output", performance.generated_tokens),
            ],
        )
    }),
    metric(
        "mynah_embedded_texts",
        "Texts for which a vector was computed",
        COUNTER,
        |report| one(report.performance.embedded_texts),
    ),
    metric("mynah_steps", "Decode steps", COUNTER, |report| {
        one(report.performance.steps)
    }),
    metric(
        "mynah_failed_steps",
        "Failed decode steps",
        COUNTER,
        |report| one(report.performance.failed_steps),
    ),
    metric(
        "mynah_batch_fill_ratio",
        "Computed tokens as a share of the steps' token capacity",
        GAUGE,
        |report| Value::One(report.performance.batch_fill),
    ),
    metric(
        "mynah_sampling_ratio",
        "Time of sampling as a share of the steps' time",
        GAUGE,
        |report| Value::One(report.performance.sampling_share),
    ),
    metric(
        "gen_ai_server_time_to_first_token_seconds",
        "Time from a request to its first token",
        HISTOGRAM,
        |report| Value::Times(Arc::clone(&report.performance.histograms.first_token)),
    ),
    metric(
        "gen_ai_server_time_per_output_token_seconds",
        "Time between two tokens of an answer",
        HISTOGRAM,
        |report| Value::Times(Arc::clone(&report.performance.histograms.between_tokens)),
    ),
    metric(
        "mynah_step_seconds",
        "Duration of decode steps",
        HISTOGRAM,
        |report| Value::Times(Arc::clone(&report.performance.histograms.step)),
    ),
    metric(
        "mynah_model_loaded",
        "Whether the model is in memory",
        GAUGE,
        |report| one(u64::from(report.model.state == ModelState::Loaded)),
    ),
    metric(
        "mynah_model_bytes",
        "Size of the weights in use, as a file",
        GAUGE,
        |report| one(report.model.bytes),
    ),
    metric("mynah_model_info", "What the model is", GAUGE, |report| {
        Value::Told(vec![
            ("architecture", report.model.architecture.clone()),
            ("quantisation", report.model.quantisation.clone()),
        ])
    }),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Converts a name as Prometheus does: dots become underscores, and the unit is appended.
    fn translated(name: &str, unit: &str) -> String {
        let name = name.replace('.', "_");
        let suffix = match unit {
            "s" => "_seconds",
            "By" => "_bytes",
            "1" => "_ratio",
            _ => "",
        };
        match name.ends_with(suffix) {
            true => name,
            false => name + suffix,
        }
    }

    #[test]
    fn both_names_of_a_figure_are_the_same_to_prometheus() {
        for metric in METRICS {
            let dotted = metric.dotted_name();
            assert_eq!(translated(&dotted, metric.unit()), metric.name, "{dotted}");
        }
        let names = METRICS.iter().map(Metric::dotted_name);
        let mut names: Vec<String> = names.collect();
        assert!(names.contains(&"gen_ai.server.time_to_first_token".to_owned()));
        assert!(names.contains(&"mynah.queue_length".to_owned()));
        names.sort();
        names.dedup();
        assert_eq!(names.len(), METRICS.len());
    }
}
