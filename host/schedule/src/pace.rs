//! Estimates from measured times: how long a new request will wait, and how many tokens a step may
//! compute.

use std::time::{Duration, Instant};

use super::TILE;

/// Share of the newest measurement in a mean: the last ten or so count.
const NEWEST: f64 = 0.2;

/// The mean time between two requests that leave the queue, while others wait.
#[derive(Debug, Default)]
pub struct Pace {
    last: Option<Instant>,
    mean: Option<f64>,
}

impl Pace {
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
    }

    /// Time until a request behind `ahead` others leaves the queue; `None` before any has.
    #[must_use]
    pub fn wait_behind(&self, ahead: usize) -> Option<Duration> {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let seconds = self.mean? * ahead as f64;
        // A day is far beyond any time-out, and keeps the conversion in range.
        Some(Duration::from_secs_f64(seconds.clamp(0.0, 86_400.0)))
    }
}

/// Tokens that are computed from one token of running streams to the next, so that they aren't held
/// up for long.
///
/// What a prompt token costs grows with the tokens before it: at 4,000 it is twice or three times
/// what it is at none. So the bound is a time, and the tokens follow from what the last steps took.
/// It also depends on how many are computed together: with fewer than a tile of them, llama.cpp's
/// attention costs each several times as much, so small steps are learned from apart, and taken
/// only where a tile would hold streams up for too long.
#[derive(Debug, Default)]
pub struct StepBudget {
    /// Seconds a token, of steps with a tile or more of prompts.
    tiled: Option<f64>,
    /// Of smaller ones since the last of those.
    small: Option<f64>,
}

impl StepBudget {
    /// Seconds that streams should wait: a pause that a reader of the text hardly notices.
    const TARGET: f64 = 0.25;
    /// Seconds that they may wait where it would otherwise be less than a tile.
    const MOST: f64 = 0.6;
    /// Prompt tokens at least, however slow the machine: fewer would read the weights for next to
    /// nothing.
    const LEAST: u32 = 8;

    /// A step with prompts took so long for so many tokens. Those with few tokens say nothing about
    /// prompts.
    pub fn note(&mut self, tokens: usize, took: Duration) {
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        if tokens < Self::LEAST {
            return;
        }
        let pace = if tokens >= TILE {
            // What was known of small ones was of other depths.
            self.small = None;
            &mut self.tiled
        } else {
            &mut self.small
        };
        let newest = took.as_secs_f64() / f64::from(tokens);
        let mean = pace.unwrap_or(newest);
        // Slower at once, faster by and by: short prompts between the steps of a long one say
        // nothing about its depth.
        *pace = Some(newest.max(mean + NEWEST * (newest - mean)));
    }

    /// Tokens until the next ones of `decoding` streams, theirs among them, if `prompts` have so
    /// many tokens left each; no bound where none decodes.
    pub fn tokens(&self, decoding: usize, mut prompts: impl Iterator<Item = u32>) -> u32 {
        let Some(pace) = self.tiled.or(self.small).filter(|_| decoding > 0) else {
            return u32::MAX;
        };
        let decoding = u32::try_from(decoding).unwrap_or(u32::MAX);
        let tile = decoding.saturating_add(TILE);
        let target = tokens_in(Self::TARGET, pace);
        // The end of a long prompt is no tile any more, and costs the most.
        let has_tile = prompts.any(|left| left >= TILE);
        let tokens = if has_tile && tokens_in(Self::MOST, pace) >= tile {
            target.max(tile)
        } else {
            self.small.map_or(0, |pace| tokens_in(Self::TARGET, pace))
        };
        tokens.max(decoding.saturating_add(Self::LEAST))
    }
}

/// Tokens that take so long at so many seconds each.
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
    fn a_tile_is_taken_where_it_holds_nobody_up_for_too_long() {
        let mut budget = StepBudget::default();
        // 50 tokens in the time that a step should take, but a tile in little more.
        budget.note(100, Duration::from_millis(500));
        assert_eq!(budget.tokens(1, [4000].into_iter()), 65);
        assert_eq!(budget.tokens(2, [40, 4000].into_iter()), 66);
        // The end of a prompt is no tile: nothing is known of such steps yet.
        assert_eq!(budget.tokens(1, [40].into_iter()), 9);
        budget.note(17, Duration::from_millis(170));
        assert_eq!(budget.tokens(1, [40].into_iter()), 25);
        // Where even one does, the steps are as small as they must be, until they are fast again.
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
        assert_eq!(pace.wait_behind(3), None);
        for n in 0..5 {
            pace.note_start(start + Duration::from_secs(2 * n), true);
        }
        assert_eq!(pace.wait_behind(3), Some(Duration::from_secs(6)));
        // The queue runs empty; the hour until the next request is not the model's.
        pace.note_start(start + Duration::from_secs(10), false);
        pace.note_start(start + Duration::from_secs(3600), true);
        assert_eq!(pace.wait_behind(3), Some(Duration::from_secs(6)));
    }
}
