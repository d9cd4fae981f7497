//! Notices that steps take many times as long as they did before, which other programs on the same
//! cores cause.

use std::time::Duration;

/// Number of steps that are looked at together. A few slow steps are nothing to report.
const STEPS: usize = 8;

/// Most steps take this many times as long as they could.
const TIMES: u32 = 10;

/// Total time of the steps from which it matters to readers.
const TOTAL: Duration = Duration::from_millis(500);

/// Compares steps with the fastest one. Reports once.
#[derive(Debug, Default)]
pub(super) struct Slowdown {
    /// The shortest step so far, divided by its tokens. A step for several sequences shares the
    /// reading of the weights among its tokens, so only steps with one token count.
    fastest: Option<Duration>,
    /// The last steps: their time, and what it could be at most.
    last: Vec<(Duration, Duration)>,
    is_reported: bool,
}

impl Slowdown {
    /// Records a step of this many tokens. Returns how many times longer than before the last steps
    /// took, once, if it is too many times.
    ///
    /// A step with several tokens takes at most as long as one step for each.
    pub(super) fn note(&mut self, tokens: u64, took: Duration) -> Option<u32> {
        if tokens == 0 || self.is_reported {
            return None;
        }
        if tokens == 1 {
            let fastest = self.fastest.get_or_insert(took);
            *fastest = took.min(*fastest);
        }
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        let could = self.fastest?.saturating_mul(tokens);
        self.last.push((took, could));
        if self.last.len() < STEPS {
            return None;
        }
        let steps = std::mem::take(&mut self.last);
        let is_slow = |(took, could): &&(Duration, Duration)| *took >= could.saturating_mul(TIMES);
        let total: Duration = steps.iter().map(|(took, _)| *took).sum();
        let possible: Duration = steps.iter().map(|(_, could)| *could).sum();
        let slow = steps.iter().filter(is_slow).count();
        if slow * 2 <= STEPS || total < TOTAL {
            return None;
        }
        self.is_reported = true;
        let times = total.as_micros() / possible.as_micros().max(1);
        Some(u32::try_from(times).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Duration = Duration::from_millis(20);

    /// The reports about these steps of one token, after a fast one.
    fn reports(steps: &[u64]) -> Vec<u32> {
        let mut slowdown = Slowdown::default();
        assert_eq!(slowdown.note(1, FAST), None);
        let steps = steps.iter().map(|ms| Duration::from_millis(*ms));
        steps.filter_map(|took| slowdown.note(1, took)).collect()
    }

    /// Newcomer 2.
    #[test]
    fn steps_that_take_many_times_as_long_as_before_are_reported_once() {
        assert_eq!(reports(&[1000; 7]), [43], "with the fast one");
        assert_eq!(reports(&[1000; 100]).len(), 1);
        // As it was measured: some steps are fast in between.
        assert_eq!(reports(&[20, 2000, 500, 1000, 20, 300, 900]).len(), 1);
    }

    #[test]
    fn a_few_slow_steps_and_a_growing_context_are_not_reported() {
        assert!(reports(&[60_000, 20, 20, 20, 20, 20, 20, 20, 20]).is_empty());
        assert!(reports(&[100; 1000]).is_empty(), "five times as long");
        let growing: Vec<u64> = (20..190).collect();
        assert!(reports(&growing).is_empty());
        // Each is many times as long, but nobody notices.
        let mut slowdown = Slowdown::default();
        assert_eq!(slowdown.note(1, Duration::from_micros(100)), None);
        let slow = (0..100).filter_map(|_| slowdown.note(1, Duration::from_millis(5)));
        assert_eq!(slow.count(), 0);
    }

    #[test]
    fn steps_of_many_tokens_may_take_as_long_as_one_step_for_each() {
        let mut slowdown = Slowdown::default();
        // Before there is a step to compare with, nothing is reported.
        let long = Duration::from_secs(10);
        assert!((0..20).all(|_| slowdown.note(512, long).is_none()));
        assert_eq!(slowdown.note(1, FAST), None);
        assert!((0..100).all(|_| slowdown.note(512, long).is_none()));
        let many = Duration::from_secs(200);
        assert_eq!((0..100).filter_map(|_| slowdown.note(512, many)).count(), 1);
    }
}
