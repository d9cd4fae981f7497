//! The performance of a model: rates over time windows, and durations. Pure: the time is an
//! argument.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Lengths of the windows in seconds, the longest last.
const WINDOWS: [usize; 3] = [5, 60, LONGEST];

const LONGEST: usize = 300;

/// The upper bound of the first bucket, in seconds.
const FIRST: f64 = 1e-4;

/// Number of buckets: one up to 0.1 ms, then four for each doubling up to 1,678 s. The last one
/// also contains longer durations.
const BUCKETS: usize = 97;

/// Tokens per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Rate {
    /// Tokens of prompts.
    pub prompt: f64,
    /// Tokens of answers.
    pub generated: f64,
}

/// The distribution of a duration.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(into = "Counted", try_from = "Counted")]
pub struct Histogram {
    counts: [u64; BUCKETS],
    count: u64,
    sum: f64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: [0; BUCKETS],
            count: 0,
            sum: 0.0,
        }
    }
}

/// A distribution on its way to another process.
#[derive(serde::Serialize, serde::Deserialize)]
struct Counted {
    counts: Vec<u64>,
    count: u64,
    sum: f64,
}

impl From<Histogram> for Counted {
    fn from(histogram: Histogram) -> Self {
        Self {
            counts: histogram.counts.to_vec(),
            count: histogram.count,
            sum: histogram.sum,
        }
    }
}

impl TryFrom<Counted> for Histogram {
    type Error = &'static str;

    fn try_from(counted: Counted) -> std::result::Result<Self, Self::Error> {
        Ok(Self {
            counts: counted
                .counts
                .try_into()
                .map_err(|_| "a distribution with another number of buckets")?,
            count: counted.count,
            sum: counted.sum,
        })
    }
}

/// Serialises shared distributions by their contents.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Histogram;

    pub(super) fn serialize<S: Serializer>(
        histogram: &Arc<Histogram>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        (**histogram).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Arc<Histogram>, D::Error> {
        Histogram::deserialize(from).map(Arc::new)
    }
}

/// The upper bound of a bucket, in seconds.
fn bound(bucket: usize) -> f64 {
    let buckets = u32::try_from(bucket).map_or(f64::MAX, f64::from);
    FIRST * (buckets / PER_DOUBLING).exp2()
}

/// The same as a number for calculations.
const PER_DOUBLING: f64 = Histogram::PER_DOUBLING as f64;

impl Histogram {
    /// Number of buckets for each doubling.
    pub const PER_DOUBLING: usize = 4;

    pub(crate) fn note(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let steps = (seconds / FIRST).log2() * PER_DOUBLING;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "`as` saturates, and the last bucket takes what is beyond"
        )]
        let bucket = (steps.ceil().max(0.0) as usize).min(BUCKETS - 1);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.count += 1;
        self.sum += seconds;
    }

    /// Number of measurements.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sum of all measurements in seconds.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The upper bound of each bucket in seconds, and its number of measurements. The last one also
    /// contains longer durations.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        let counts = self.counts.iter().enumerate();
        counts.map(|(bucket, count)| (bound(bucket), *count))
    }

    /// The duration in seconds below which the share `share` (0.0 to 1.0) of the measurements is,
    /// up to a fifth too long. `None` if there is no measurement.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a count"
        )]
        let wanted = ((self.count as f64 * share.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut seen = 0;
        let reaches = |count: &u64| {
            seen += count;
            seen >= wanted
        };
        self.counts.iter().position(reaches).map(bound)
    }
}

/// Number of tokens in one second, or in several.
#[derive(Debug, Clone, Copy, Default)]
struct Tokens {
    prompt: u64,
    generated: u64,
}

/// The measurements of one step.
#[derive(Debug, Clone, Default)]
pub struct StepNote {
    /// Number of prompt tokens that it computed.
    pub prompt: u64,
    /// Number of answer tokens that it generated.
    pub generated: u64,
    /// Number of tokens that it computed, and its maximum.
    pub batch: (u64, u64),
    /// Time of the computation.
    pub decode: Duration,
    /// Time of choosing tokens.
    pub sampling: Duration,
    /// Time from the request to its first token, for each request that got it in this step.
    pub first_tokens: Vec<Duration>,
    /// Time since the previous token, for each of the other requests.
    pub gaps: Vec<Duration>,
}

/// The total of the current second and those before it, `length` in all.
#[derive(Debug, Clone, Copy)]
struct Window {
    length: usize,
    tokens: Tokens,
}

/// Measures a model from its loading. Reading is independent of the time since then, because the
/// sum of each window is maintained.
#[derive(Debug)]
pub struct Meter {
    begun: Instant,
    /// The last [`LONGEST`] seconds, the current one at the end.
    seconds: VecDeque<Tokens>,
    /// Number of seconds before the current one.
    passed: u64,
    windows: [Window; WINDOWS.len()],
    total: Performance,
    batch: (u64, u64),
    decode: Duration,
    sampling: Duration,
}

/// The performance of a model.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Performance {
    /// Number of prompt tokens computed since the model was loaded.
    pub prompt_tokens: u64,
    /// Number of answer tokens generated since then.
    pub generated_tokens: u64,
    /// Tokens per second of the last 5 seconds.
    pub now: Rate,
    /// Tokens per second of the last minute, or since the model was loaded if that is shorter.
    pub minute: Rate,
    /// Tokens per second of the last five minutes, or since the model was loaded.
    pub five_minutes: Rate,
    /// Time from a request to its first token.
    #[serde(with = "shared")]
    pub first_token: Arc<Histogram>,
    /// Time from one token of an answer to the next.
    #[serde(with = "shared")]
    pub between_tokens: Arc<Histogram>,
    /// Time of a decode step.
    #[serde(with = "shared")]
    pub step: Arc<Histogram>,
    /// Share of the maximum number of tokens that the steps since then computed, 0.0 to 1.0.
    pub batch_fill: f64,
    /// Share of the steps' time for choosing tokens, 0.0 to 1.0.
    pub sampling_share: f64,
}

impl Meter {
    /// A meter of a model that was loaded at this time.
    #[must_use]
    pub fn new(begun: Instant) -> Self {
        Self {
            begun,
            seconds: VecDeque::from([Tokens::default(); LONGEST]),
            passed: 0,
            windows: WINDOWS.map(|length| Window {
                length,
                tokens: Tokens::default(),
            }),
            total: Performance::default(),
            batch: (0, 0),
            decode: Duration::ZERO,
            sampling: Duration::ZERO,
        }
    }

    /// Advances to the current second.
    fn advance(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.begun).as_secs();
        // After a long pause, each second still leaves a window only once.
        for _ in (self.passed..passed).take(LONGEST) {
            for Window { length, tokens } in &mut self.windows {
                if let Some(leaves) = self.seconds.get(LONGEST - *length) {
                    tokens.prompt -= leaves.prompt;
                    tokens.generated -= leaves.generated;
                }
            }
            self.seconds.pop_front();
            self.seconds.push_back(Tokens::default());
        }
        self.passed = self.passed.max(passed);
    }

    /// Records a step.
    pub fn note(&mut self, now: Instant, step: &StepNote) {
        self.advance(now);
        let windows = self.windows.iter_mut().map(|window| &mut window.tokens);
        for tokens in windows.chain(self.seconds.back_mut()) {
            tokens.prompt += step.prompt;
            tokens.generated += step.generated;
        }
        self.total.prompt_tokens += step.prompt;
        self.total.generated_tokens += step.generated;
        self.batch.0 += step.batch.0;
        self.batch.1 += step.batch.1;
        self.decode += step.decode;
        self.sampling += step.sampling;
        // Vectors are computed in steps of their own, which are not decode steps.
        if step.batch.0 > 0 {
            Arc::make_mut(&mut self.total.step).note(step.decode + step.sampling);
        }
        for took in &step.first_tokens {
            Arc::make_mut(&mut self.total.first_token).note(*took);
        }
        for gap in &step.gaps {
            Arc::make_mut(&mut self.total.between_tokens).note(*gap);
        }
    }

    /// Tokens per second of each of [`WINDOWS`]: of its whole seconds except the last one, and of
    /// the elapsed part of the current second.
    fn rates(&self, now: Instant) -> [Rate; WINDOWS.len()] {
        self.windows.map(|Window { length, tokens }| {
            let first = (self.passed + 1).saturating_sub(length as u64);
            let begun = self.begun + Duration::from_secs(first);
            let passed = now.saturating_duration_since(begun).as_secs_f64();
            #[expect(clippy::cast_precision_loss, reason = "a rate")]
            let rate = |tokens: u64| tokens as f64 / passed.max(1e-3);
            Rate {
                prompt: rate(tokens.prompt),
                generated: rate(tokens.generated),
            }
        })
    }

    /// The current performance of the model.
    pub fn performance(&mut self, now: Instant) -> Performance {
        self.advance(now);
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share = |(part, whole): (u64, u64)| part as f64 / whole.max(1) as f64;
        let stepped = (self.decode + self.sampling).as_secs_f64();
        let [now, minute, five_minutes] = self.rates(now);
        Performance {
            now,
            minute,
            five_minutes,
            batch_fill: share(self.batch),
            sampling_share: if stepped > 0.0 {
                self.sampling.as_secs_f64() / stepped
            } else {
                0.0
            },
            ..self.total.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(value: f64, expected: f64) -> bool {
        (value - expected).abs() < 1e-6 * expected.abs().max(1.0)
    }

    #[test]
    fn rates_are_of_their_windows() {
        let begun = Instant::now();
        let mut meter = Meter::new(begun);
        let step = StepNote {
            prompt: 30,
            generated: 10,
            batch: (40, 80),
            decode: Duration::from_millis(90),
            sampling: Duration::from_millis(10),
            ..StepNote::default()
        };
        // A step each second for ten minutes.
        for second in 0..600 {
            meter.note(begun + Duration::from_secs(second), &step);
        }
        let mut at = |millis| meter.performance(begun + Duration::from_millis(millis));
        let now = at(599_999);
        for rate in [now.now, now.minute, now.five_minutes] {
            assert!((rate.prompt - 30.0).abs() < 0.1, "{rate:?}");
            assert!((rate.generated - 10.0).abs() < 0.1, "{rate:?}");
        }
        assert_eq!((now.prompt_tokens, now.generated_tokens), (18_000, 6000));
        assert!(near(now.batch_fill, 0.5) && near(now.sampling_share, 0.1));
        // After ten seconds without work, the short window is empty, and the others are not.
        let later = at(609_999);
        assert_eq!(later.now, Rate::default());
        assert!((later.minute.generated - 10.0 * 50.0 / 60.0).abs() < 0.1);
        // Only the totals remain.
        let much_later = at(2_000_000);
        assert_eq!(much_later.five_minutes, Rate::default());
        assert_eq!(much_later.generated_tokens, 6000);
    }

    #[test]
    fn a_model_that_was_just_loaded_has_rates_too() {
        let begun = Instant::now();
        let mut meter = Meter::new(begun);
        assert_eq!(meter.performance(begun), Performance::default());
        let step = StepNote {
            generated: 10,
            ..StepNote::default()
        };
        meter.note(begun, &step);
        let half = meter.performance(begun + Duration::from_millis(500));
        assert!(near(half.minute.generated, 20.0), "{half:?}");
    }

    #[test]
    fn what_is_beyond_the_buckets_is_counted_at_their_ends() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        histogram.note(Duration::ZERO);
        assert_eq!(histogram.quantile(0.5), Some(FIRST));
        histogram.note(Duration::from_secs(1_000_000));
        assert!(near(histogram.quantile(1.0).unwrap(), 1677.7216));
        assert_eq!(histogram.count(), 2);
    }

    proptest! {
        /// At any time, each window contains the tokens of its seconds.
        #[test]
        fn windows_hold_their_seconds(
            steps in prop::collection::vec((0u64..100_000, 0u64..50), 1..60),
        ) {
            let begun = Instant::now();
            let mut meter = Meter::new(begun);
            let mut all = Vec::new();
            let mut at = 0;
            for (after, prompt) in steps {
                at += after;
                all.push((at / 1000, prompt));
                let now = begun + Duration::from_millis(at);
                meter.note(now, &StepNote { prompt, generated: 1, ..StepNote::default() });
                let this = at / 1000;
                for Window { length, tokens } in meter.windows {
                    let held = all.iter().filter(|(second, _)| second + length as u64 > this);
                    let prompt: u64 = held.clone().map(|(_, prompt)| prompt).sum();
                    let counted = (tokens.prompt, tokens.generated);
                    prop_assert_eq!(counted, (prompt, held.count() as u64));
                }
            }
        }

        #[test]
        fn a_quantile_is_a_fifth_too_long_at_worst(
            mut micros in prop::collection::vec(100u64..1_000_000_000, 1..50),
            share in 0.01f64..1.0,
        ) {
            let mut histogram = Histogram::default();
            for micros in &micros {
                histogram.note(Duration::from_micros(*micros));
            }
            micros.sort_unstable();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a test"
            )]
            let index = (micros.len() as f64 * share).ceil() as usize - 1;
            #[expect(clippy::cast_precision_loss, reason = "a test")]
            let exact = micros[index] as f64 / 1e6;
            let told = histogram.quantile(share).unwrap();
            prop_assert!(told >= exact * 0.999_999 && told <= exact * 1.2, "{told} for {exact}");
            let counts = histogram.buckets().map(|(_, count)| count);
            prop_assert_eq!(counts.sum::<u64>(), micros.len() as u64);
        }
    }
}
