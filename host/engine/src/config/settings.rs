//! How text is made: what a request, or the operator for a model, may set.

use std::sync::Arc;
use std::time::Duration;

use super::{Check, Problem};
use crate::{Priority, Result};

/// How text is made. A field that is not set takes the value of the next level: request, then model, then the engine's
/// default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// Tokens to generate at most. 1 or more; default 512. The answer may end earlier where the context is full, with
    /// the finish reason that says so.
    pub max_tokens: Option<u32>,
    /// Divides the logits before sampling. 0.0 (greedy: always the most likely token) to 100.0; default 0.8, as in
    /// llama.cpp's `common_params_sampling`.
    pub temperature: Option<f32>,
    /// Seed of the sampler; default: drawn anew for each generation.
    pub seed: Option<u32>,
    /// Strings that end the answer, wherever they come in it; it has the text before the first of them. Up to
    /// [`MAX_STOPS`](Self::MAX_STOPS), of 1 to [`MAX_STOP_BYTES`](Self::MAX_STOP_BYTES) bytes each; default none, which
    /// an empty list says too.
    pub stop: Option<Vec<String>>,
    /// Time that the request takes at most in all, from its start to its end. 1 millisecond to a day; default: no limit.
    /// When it runs out in the queue, the request fails with a time-out; later it ends with
    /// [`FinishReason::MaxTime`](crate::FinishReason::MaxTime) and its text so far. Spelled `max_time_ms` where the type
    /// carries no unit.
    pub max_time: Option<Duration>,
    /// Time that the request waits in the queue at most; then it fails without any model work. 1 millisecond to a day;
    /// default [`ModelConfig::default_task_timeout`](crate::ModelConfig::default_task_timeout). Spelled
    /// `queue_timeout_ms` where the type carries no unit.
    pub queue_timeout: Option<Duration>,
    /// How urgent the request is; default normal.
    pub priority: Option<Priority>,
    /// Whether the sequence is computed apart from all others, in batches whose shape depends on nothing else, so that
    /// its text doesn't either; default no. Needs split KV streams. Slower, for everybody.
    pub deterministic: Option<bool>,
}

/// The settings in force for one generation.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    /// Tokens to generate at most.
    pub max_tokens: u32,
    /// 0.0 is greedy.
    pub temperature: f32,
    /// The seed that was given or drawn.
    pub seed: u32,
    /// Strings that end the answer.
    pub stop: Arc<[String]>,
    /// Time in all, if bounded.
    pub max_time: Option<Duration>,
    /// Time in the queue.
    pub queue_timeout: Duration,
    /// How urgent it is.
    pub priority: Priority,
    /// Whether it is computed apart from all others.
    pub deterministic: bool,
}

impl Settings {
    /// Default of `max_tokens`.
    pub const DEFAULT_MAX_TOKENS: u32 = 512;
    /// Default of `temperature`.
    pub const DEFAULT_TEMPERATURE: f32 = 0.8;
    /// Upper end of `temperature`: from there on the choice is even to float precision on any real model, so that a
    /// higher value is a mistake.
    pub const MAX_TEMPERATURE: f32 = 100.0;
    /// Stop strings of a request at most: each is looked for in every piece of text.
    pub const MAX_STOPS: usize = 64;
    /// Bytes of a stop string at most: as much text may be held back.
    pub const MAX_STOP_BYTES: usize = 256;
    /// Upper end of all time limits: a day.
    pub const MAX_TIME: Duration = Duration::from_secs(24 * 60 * 60);

    /// Greedy: the same prompt gives the same text.
    #[must_use]
    pub fn greedy() -> Self {
        Self {
            temperature: Some(0.0),
            ..Self::default()
        }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`](crate::Error::Settings) with every setting that is out of range.
    pub fn check(&self) -> Result<()> {
        let mut check = Check::default();
        if let Some(tokens) = self.max_tokens {
            check.that(tokens > 0, || {
                Problem::new("max_tokens", tokens, "1 or more")
            });
        }
        if let Some(temperature) = self.temperature {
            // NaN fails the comparison, as it should.
            check.that((0.0..=Self::MAX_TEMPERATURE).contains(&temperature), || {
                let range = format!("from 0.0 (greedy) to {:.1}", Self::MAX_TEMPERATURE);
                Problem::new("temperature", temperature, range)
            });
        }
        if let Some(stop) = &self.stop {
            check.that(stop.len() <= Self::MAX_STOPS, || {
                let range = format!("{} at most", Self::MAX_STOPS);
                Problem::new("stop", format_args!("a list of {}", stop.len()), range)
            });
            let lengths = 1..=Self::MAX_STOP_BYTES;
            if let Some(bad) = stop.iter().find(|one| !lengths.contains(&one.len())) {
                let range = format!("strings of 1 to {} bytes", Self::MAX_STOP_BYTES);
                let value = format_args!("a list with a string of {} bytes", bad.len());
                check.that(false, || Problem::new("stop", value, range));
            }
        }
        for (key, time) in [
            ("max_time_ms", self.max_time),
            ("queue_timeout_ms", self.queue_timeout),
        ] {
            if let Some(time) = time {
                check.time(key, time);
            }
        }
        check.done()
    }

    /// These settings, and where they say nothing, those of `base`.
    #[must_use]
    pub fn or(self, base: Self) -> Self {
        Self {
            max_tokens: self.max_tokens.or(base.max_tokens),
            temperature: self.temperature.or(base.temperature),
            seed: self.seed.or(base.seed),
            stop: self.stop.or(base.stop),
            max_time: self.max_time.or(base.max_time),
            queue_timeout: self.queue_timeout.or(base.queue_timeout),
            priority: self.priority.or(base.priority),
            deterministic: self.deterministic.or(base.deterministic),
        }
    }

    /// The settings in force: these, then the engine's defaults. `queue_timeout` is the model's; `draw_seed` gives a seed
    /// where none is set.
    pub(crate) fn resolve(
        self,
        queue_timeout: Duration,
        draw_seed: impl FnOnce() -> u32,
    ) -> Effective {
        Effective {
            max_tokens: self.max_tokens.unwrap_or(Self::DEFAULT_MAX_TOKENS),
            temperature: self.temperature.unwrap_or(Self::DEFAULT_TEMPERATURE),
            seed: self.seed.unwrap_or_else(draw_seed),
            stop: self.stop.unwrap_or_default().into(),
            max_time: self.max_time,
            queue_timeout: self.queue_timeout.unwrap_or(queue_timeout),
            priority: self.priority.unwrap_or_default(),
            deterministic: self.deterministic.unwrap_or(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_wins_over_the_model_and_the_model_over_the_default() {
        let request = Settings {
            max_tokens: Some(7),
            ..Settings::default()
        };
        let model = Settings {
            max_tokens: Some(9),
            seed: Some(3),
            ..Settings::default()
        };
        let timeout = Duration::from_secs(1);
        let effective = request
            .or(model)
            .resolve(timeout, || unreachable!("a seed is set"));
        assert_eq!(
            effective,
            Effective {
                max_tokens: 7,
                temperature: Settings::DEFAULT_TEMPERATURE,
                seed: 3,
                stop: Arc::default(),
                max_time: None,
                queue_timeout: timeout,
                priority: Priority::Normal,
                deterministic: false,
            }
        );
    }

    #[test]
    fn values_out_of_range_are_refused_with_key_value_and_range() {
        for temperature in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.5, 100.5] {
            let settings = Settings {
                temperature: Some(temperature),
                ..Settings::default()
            };
            let text = settings.check().unwrap_err().to_string();
            assert!(
                text.contains("`temperature`") && text.contains("100.0"),
                "{text}"
            );
        }
        let none = Settings {
            max_tokens: Some(0),
            ..Settings::default()
        };
        assert!(
            none.check()
                .unwrap_err()
                .to_string()
                .contains("`max_tokens` is 0")
        );
    }

    #[test]
    fn times_out_of_range_are_refused() {
        let settings = Settings {
            max_time: Some(Duration::ZERO),
            queue_timeout: Some(Settings::MAX_TIME + Duration::from_millis(1)),
            ..Settings::default()
        };
        let text = settings.check().unwrap_err().to_string();
        assert!(
            text.contains("`max_time_ms` is 0") && text.contains("`queue_timeout_ms` is 86400001"),
            "{text}"
        );
    }

    #[test]
    fn stop_strings_out_of_range_are_refused() {
        let stop = |stop: Vec<String>| Settings {
            stop: Some(stop),
            ..Settings::default()
        };
        for (bad, words) in [
            (
                vec!["x".to_owned(); 65],
                "a list of 65, it must be 64 at most",
            ),
            (vec![String::new()], "a string of 0 bytes"),
            (vec!["x".repeat(257)], "strings of 1 to 256 bytes"),
        ] {
            let text = stop(bad).check().unwrap_err().to_string();
            assert!(text.contains("`stop` is") && text.contains(words), "{text}");
        }
        let longest = "x".repeat(Settings::MAX_STOP_BYTES);
        stop(vec![longest; Settings::MAX_STOPS]).check().unwrap();
        stop(Vec::new()).check().unwrap();
    }

    #[test]
    fn the_ends_of_the_ranges_are_allowed() {
        for temperature in [0.0, -0.0, 100.0] {
            let settings = Settings {
                max_tokens: Some(1),
                temperature: Some(temperature),
                seed: Some(u32::MAX),
                max_time: Some(Settings::MAX_TIME),
                queue_timeout: Some(Duration::from_millis(1)),
                ..Settings::default()
            };
            settings.check().unwrap();
        }
    }
}
