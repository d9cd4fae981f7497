//! How fast requests leave, and so how long a new one may wait.

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

#[cfg(test)]
mod tests {
    use super::*;

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
