//! What is learned from how fast things went: how long a new request may wait, and how much a step may compute.

use std::time::{Duration, Instant};

/// Share of the newest interval in the mean: the last ten or so count.
const NEWEST: f64 = 0.2;

/// The mean time between requests that leave the waiting line to run, while others wait.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    last: Option<Instant>,
    mean: Option<f64>,
}

impl Pace {
    /// A request left the line to run; `others_wait` says whether the line still holds some. The time that an empty line
    /// waits for requests says nothing about how fast they are served.
    pub(crate) fn left(&mut self, now: Instant, others_wait: bool) {
        if let Some(last) = self.last {
            let interval = now.saturating_duration_since(last).as_secs_f64();
            self.mean = Some(match self.mean {
                None => interval,
                Some(mean) => mean + NEWEST * (interval - mean),
            });
        }
        self.last = others_wait.then_some(now);
    }

    /// Time until a request behind `ahead` others leaves the line; `None` before any has.
    pub(crate) fn wait_behind(&self, ahead: usize) -> Option<Duration> {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let seconds = self.mean? * ahead as f64;
        // A day is far beyond any time-out, and keeps the conversion in range.
        Some(Duration::from_secs_f64(seconds.clamp(0.0, 86_400.0)))
    }
}

/// Tokens that a step may compute while streams decode in it, so that they aren't held up for long.
///
/// What a prompt token costs grows with the tokens before it: at 4,000 it is twice or three times what it is at none. So the
/// bound is a time, and the tokens follow from what the last steps took.
#[derive(Debug, Default)]
pub(crate) struct StepBudget {
    seconds_per_token: Option<f64>,
}

impl StepBudget {
    /// Seconds that a step which streams decode in should take: a pause that a reader of the text hardly notices.
    const TARGET: f64 = 0.25;
    /// Prompt tokens of a step at least, however slow the machine: fewer would read the weights for next to nothing.
    const LEAST: u32 = 16;

    /// A step took so long for so many tokens. Those with few tokens say nothing about prompts.
    pub(crate) fn note(&mut self, tokens: usize, took: Duration) {
        if tokens >= Self::LEAST as usize {
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let newest = took.as_secs_f64() / tokens as f64;
            let mean = self.seconds_per_token.unwrap_or(newest);
            self.seconds_per_token = Some(mean + 0.5 * (newest - mean));
        }
    }

    /// Tokens of the next step, if `decoding` streams decode in it; no bound where none does.
    pub(crate) fn tokens(&self, decoding: usize) -> u32 {
        let Some(pace) = self.seconds_per_token.filter(|_| decoding > 0) else {
            return u32::MAX;
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "`as` saturates, and a time is not negative"
        )]
        let tokens = (Self::TARGET / pace) as u32;
        let decoding = u32::try_from(decoding).unwrap_or(u32::MAX);
        tokens.max(decoding.saturating_add(Self::LEAST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_streams_decode_in_is_as_large_as_the_time_allows() {
        let mut budget = StepBudget::default();
        assert_eq!(budget.tokens(1), u32::MAX, "nothing is known yet");
        budget.note(100, Duration::from_millis(500));
        assert_eq!(budget.tokens(1), 50);
        assert_eq!(budget.tokens(0), u32::MAX, "nobody is held up");
        budget.note(1, Duration::from_secs(1));
        assert_eq!(budget.tokens(1), 50, "one token says nothing");
        for _ in 0..20 {
            budget.note(16, Duration::from_secs(16));
        }
        assert_eq!(budget.tokens(3), 19, "a slow machine gets on too");
    }

    #[test]
    fn the_wait_follows_the_pace_of_a_line_that_holds_requests() {
        let start = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.wait_behind(3), None);
        for n in 0..5 {
            pace.left(start + Duration::from_secs(2 * n), true);
        }
        assert_eq!(pace.wait_behind(3), Some(Duration::from_secs(6)));
        // The line runs empty; the hour until the next request is not the model's.
        pace.left(start + Duration::from_secs(10), false);
        pace.left(start + Duration::from_secs(3600), true);
        assert_eq!(pace.wait_behind(3), Some(Duration::from_secs(6)));
    }
}
