//! Logs how fast the model is: slow steps, a lasting slowdown, and rates from time to time.

use std::time::{Duration, Instant};

use mynah_core::StepNote;
use mynah_core::log::{PERFORMANCE, millis};
use tracing::Level;

use super::slowdown::Slowdown;

/// A step that takes this long is slow: the readers of streams wait meanwhile.
const SLOW: Duration = Duration::from_secs(1);

/// Time between two log lines about rates, while there is something to compute.
const BETWEEN_RATES: Duration = Duration::from_secs(10);

/// The computation since rates were last logged.
#[derive(Debug)]
pub(super) struct PerfLog {
    since: Instant,
    steps: u32,
    prompt: u64,
    generated: u64,
    batch: (u64, u64),
    decode: Duration,
    sampling: Duration,
    slowdown: Slowdown,
}

/// How many sequences there are when a step is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Present {
    pub(super) running: usize,
    pub(super) parked: usize,
}

impl PerfLog {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            steps: 0,
            prompt: 0,
            generated: 0,
            batch: (0, 0),
            decode: Duration::ZERO,
            sampling: Duration::ZERO,
            slowdown: Slowdown::default(),
        }
    }

    /// Logs a step.
    pub(super) fn note(&mut self, model: &str, step: &StepNote, present: Present, now: Instant) {
        let took = step.decode + step.sampling;
        macro_rules! log_step {
            ($level:ident, $message:literal) => {
                tracing::event!(
                    target: PERFORMANCE,
                    Level::$level,
                    model,
                    tokens = step.batch.0,
                    prompt_tokens = step.prompt,
                    generated_tokens = step.generated,
                    decode_ms = millis(step.decode),
                    sampling_ms = millis(step.sampling),
                    running = present.running,
                    $message
                )
            };
        }
        if took >= SLOW {
            log_step!(INFO, "slow step");
        } else {
            log_step!(TRACE, "step");
        }
        if let Some(times) = self.slowdown.note(step.batch.0, step.decode) {
            tracing::warn!(
                target: PERFORMANCE,
                model,
                times,
                "steps take {times} times as long as before: other programs use the same cores. \
                 Fewer threads may be faster (such as `--threads 1`)"
            );
        }
        self.steps += 1;
        self.prompt += step.prompt;
        self.generated += step.generated;
        self.batch.0 += step.batch.0;
        self.batch.1 += step.batch.1;
        self.decode += step.decode;
        self.sampling += step.sampling;
        if now.saturating_duration_since(self.since) >= BETWEEN_RATES {
            self.log_rates(model, present, now);
            let slowdown = std::mem::take(&mut self.slowdown);
            *self = Self {
                slowdown,
                ..Self::new(now)
            };
        }
    }

    /// Logs rates. They are relative to the time of the steps, because a model that waits for
    /// requests is not slow.
    fn log_rates(&self, model: &str, present: Present, now: Instant) {
        let computing = self.decode + self.sampling;
        let seconds = computing.as_secs_f64().max(f64::EPSILON);
        #[expect(clippy::cast_precision_loss, reason = "rates, for people")]
        let per_second = |count: u64| (count as f64 / seconds * 10.0).round() / 10.0;
        #[expect(clippy::cast_precision_loss, reason = "a share, for people")]
        let batch_fill = self.batch.0 as f64 / (self.batch.1.max(1)) as f64;
        tracing::debug!(
            target: PERFORMANCE,
            model,
            prompt_per_s = per_second(self.prompt),
            generated_per_s = per_second(self.generated),
            steps = self.steps,
            step_ms = millis(computing / self.steps.max(1)),
            batch_fill,
            computing_ms = millis(computing),
            of_ms = millis(now.saturating_duration_since(self.since)),
            running = present.running,
            parked = present.parked,
            "rates"
        );
    }
}
