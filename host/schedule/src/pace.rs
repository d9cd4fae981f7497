//! Estimates from measured times: how long a new request will wait, and how many tokens a step may
//! compute.

use std::time::{Duration, Instant};

/// Number of tokens of a sequence that llama.cpp's attention computes together on a CPU
/// (`GGML_FA_TILE_Q` in `ggml-cpu/common.h`). With fewer tokens, each costs several times as much.
pub(super) const TILE: u32 = 64;

/// Weight of the newest measurement in a moving average, so that about the last ten count.
const NEWEST: f64 = 0.2;

/// The mean time between two requests that leave the queue, while others wait.
#[derive(Debug, Default)]
pub struct Pace {
    /// When the last request left the queue, if others wait.
    last: Option<Instant>,
    /// The same, or when the first of the waiting requests came.
    waiting: Option<Instant>,
    mean: Option<f64>,
}

impl Pace {
    /// A request waits in the queue.
    pub fn note_wait(&mut self, now: Instant) {
        self.waiting.get_or_insert(now);
    }

    /// A request left the queue to run; `others_wait` says whether the queue still holds some. The
    /// time that an empty queue waits for requests says nothing about how fast they are served.
    pub fn note_start(&mut self, now: Instant, others_wait: bool) {
        if let Some(last) = self.last {
            let interval = now.saturating_duration_since(last).as_secs_f64();
            self.mean = Some(match self.mean {
                None => interval,
                Some(mean) => mean + NEWEST * (interval - mean),
            });
        }
        self.last = others_wait.then_some(now);
        self.waiting = self.last;
    }

    /// Time until a request behind `ahead` others leaves the queue.
    ///
    /// While none leaves, the mean is too short: the next interval is at least as long as the time
    /// that has passed. Before any has left, that time is all that is known. `None` if none has had
    /// to wait either.
    #[must_use]
    pub fn wait_behind(&self, ahead: usize, now: Instant) -> Option<Duration> {
        let passed = self
            .waiting
            .map(|last| now.saturating_duration_since(last).as_secs_f64());
        let interval = match (self.mean, passed) {
            (Some(mean), Some(passed)) => mean.max(passed),
            (mean, passed) => mean.or(passed)?,
        };
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let seconds = interval * ahead as f64;
        // A day exceeds every timeout, and keeps the conversion in range.
        Some(Duration::from_secs_f64(seconds.clamp(0.0, 86_400.0)))
    }
}

/// The number of tokens that a step may compute without delaying running streams for long.
///
/// The cost of a prompt token grows with the number of tokens before it: at 4,000 it is two to
/// three times as high as at none. The limit is therefore a time, and the number of tokens follows
/// from the duration of the last steps. The cost also depends on how many tokens are computed
/// together: with fewer than a tile, llama.cpp's attention costs several times as much per token.
/// Small steps are therefore measured separately, and only used when a tile would delay streams for
/// too long.
#[derive(Debug, Default)]
pub struct StepBudget {
    /// Seconds per token in steps with a tile or more of prompt tokens.
    tiled: Option<f64>,
    /// Seconds per token in smaller steps since the last of those.
    small: Option<f64>,
}

impl StepBudget {
    /// Target delay of streams in seconds, a pause that a reader hardly notices.
    const TARGET: f64 = 0.25;
    /// Maximum delay in seconds if the target would allow less than a tile.
    const MOST: f64 = 0.6;
    /// Minimum number of prompt tokens, however slow the machine is. Reading all weights for fewer
    /// tokens is not worth it.
    const LEAST: u32 = 8;

    /// Records the duration of a step with prompts. Steps with few tokens are ignored, because they
    /// say nothing about prompts.
    pub fn note(&mut self, tokens: usize, took: Duration) {
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        if tokens < Self::LEAST {
            return;
        }
        let pace = if tokens >= TILE {
            // Earlier measurements of small steps are from other positions.
            self.small = None;
            &mut self.tiled
        } else {
            &mut self.small
        };
        let newest = took.as_secs_f64() / f64::from(tokens);
        let mean = pace.unwrap_or(newest);
        // The estimate rises at once and falls slowly: short prompts between the steps of a long
        // one say nothing about the cost at the long one's position.
        *pace = Some(newest.max(mean + NEWEST * (newest - mean)));
    }

    /// Number of tokens in the next step, including one for each of the `decoding` streams.
    /// `prompts` has the remaining tokens of each prompt. No limit if nothing decodes.
    pub fn tokens(&self, decoding: usize, mut prompts: impl Iterator<Item = u32>) -> u32 {
        let Some(pace) = self.tiled.or(self.small).filter(|_| decoding > 0) else {
            return u32::MAX;
        };
        let decoding = u32::try_from(decoding).unwrap_or(u32::MAX);
        let tile = decoding.saturating_add(TILE);
        let target = tokens_in(Self::TARGET, pace);
        // The end of a long prompt is less than a tile, and costs the most per token.
        let has_tile = prompts.any(|left| left >= TILE);
        let tokens = if has_tile && tokens_in(Self::MOST, pace) >= tile {
            target.max(tile)
        } else {
            self.small.map_or(0, |pace| tokens_in(Self::TARGET, pace))
        };
        tokens.max(decoding.saturating_add(Self::LEAST))
    }
}

/// Number of tokens that take this long at `pace` seconds each.
fn tokens_in(seconds: f64, pace: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates, and a time is not negative"
    )]
    let tokens = (seconds / pace) as u32;
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_streams_decode_in_is_as_large_as_the_time_allows() {
        let mut budget = StepBudget::default();
        let long = || std::iter::once(4000);
        assert_eq!(budget.tokens(1, long()), u32::MAX, "nothing is known yet");
        budget.note(100, Duration::from_millis(250));
        assert_eq!(budget.tokens(1, long()), 100);
        assert_eq!(budget.tokens(0, long()), u32::MAX, "nobody is held up");
        budget.note(1, Duration::from_secs(1));
        assert_eq!(budget.tokens(1, long()), 100, "one token says nothing");
        for _ in 0..20 {
            budget.note(100, Duration::from_secs(100));
            budget.note(16, Duration::from_secs(16));
        }
        assert_eq!(budget.tokens(3, long()), 11, "a slow machine gets on too");
    }

    #[test]
    fn the_cost_of_a_token_rises_at_once_and_falls_slowly() {
        let mut budget = StepBudget::default();
        // Fewer tokens say nothing about prompts.
        for tokens in [0, 1, 7] {
            budget.note(tokens, Duration::from_secs(9));
        }
        assert_eq!(budget.tokens(1, [40].into_iter()), u32::MAX);
        budget.note(8, Duration::from_millis(40));
        assert_eq!(budget.tokens(1, [40].into_iter()), 50);
        budget.note(16, Duration::from_millis(160));
        assert_eq!(budget.tokens(1, [40].into_iter()), 25);
        budget.note(16, Duration::from_millis(80));
        assert_eq!(budget.tokens(1, [40].into_iter()), 27);
    }

    #[test]
    fn a_tile_is_taken_where_it_holds_nobody_up_for_too_long() {
        let mut budget = StepBudget::default();
        // 50 tokens take the target time, and a tile only little more.
        budget.note(100, Duration::from_millis(500));
        assert_eq!(budget.tokens(1, [4000].into_iter()), 65);
        assert_eq!(budget.tokens(2, [40, 4000].into_iter()), 66);
        // The end of a prompt is less than a tile, and such steps have not been measured yet.
        assert_eq!(budget.tokens(1, [40].into_iter()), 9);
        budget.note(17, Duration::from_millis(170));
        assert_eq!(budget.tokens(1, [40].into_iter()), 25);
        // If even a tile takes too long, steps have the minimum size until they are fast again.
        for _ in 0..20 {
            budget.note(70, Duration::from_secs(1));
        }
        assert_eq!(budget.tokens(1, [4000].into_iter()), 9);
        budget.note(20, Duration::from_millis(1));
        budget.note(20, Duration::from_millis(1));
        assert!(budget.tokens(1, [4000].into_iter()) >= 65);
    }

    #[test]
    fn the_wait_follows_the_pace_of_a_line_that_holds_requests() {
        let start = Instant::now();
        let mut pace = Pace::default();
        let at = |seconds| start + Duration::from_secs(seconds);
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(pace.wait_behind(3, start), None);
        for n in 0..5 {
            pace.note_start(at(2 * n), true);
        }
        assert_eq!(pace.wait_behind(3, at(8)), seconds(6));
        // The queue runs empty; the hour until the next request is not the model's.
        pace.note_start(at(10), false);
        pace.note_start(at(3600), true);
        assert_eq!(pace.wait_behind(3, at(3600)), seconds(6));
    }

    #[test]
    fn the_newest_interval_counts_a_fifth() {
        let start = Instant::now();
        let mut pace = Pace::default();
        let at = |seconds| start + Duration::from_secs(seconds);
        for seconds in [0, 2, 4, 11] {
            pace.note_start(at(seconds), true);
        }
        assert_eq!(pace.wait_behind(1, at(11)), Some(Duration::from_secs(3)));
        assert_eq!(pace.wait_behind(0, at(11)), Some(Duration::ZERO));
        let day = Duration::from_secs(86_400);
        assert_eq!(pace.wait_behind(usize::MAX, at(11)), Some(day));
    }

    /// Newcomer 28.
    #[test]
    fn there_is_an_estimate_before_any_request_has_left_the_line() {
        let start = Instant::now();
        let mut pace = Pace::default();
        let at = |seconds| start + Duration::from_secs(seconds);
        // Requests that need not wait say nothing.
        for n in 0..4 {
            pace.note_wait(at(n));
            pace.note_start(at(n), false);
        }
        assert_eq!(pace.wait_behind(1, at(10)), None);
        pace.note_wait(at(10));
        pace.note_wait(at(12));
        assert_eq!(pace.wait_behind(2, at(15)), Some(Duration::from_secs(10)));
        // Once they leave, the pace counts, unless the next one takes longer.
        pace.note_start(at(20), true);
        pace.note_start(at(22), true);
        assert_eq!(pace.wait_behind(1, at(23)), Some(Duration::from_secs(2)));
        assert_eq!(pace.wait_behind(1, at(29)), Some(Duration::from_secs(7)));
    }
}
