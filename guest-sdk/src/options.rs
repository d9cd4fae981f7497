//! How text is made: what a guest may set, and how a request's settings and a session's go together.

use std::time::Duration;

use crate::bindings::mynah::llm::generation as wit;

/// How text is made. What is not set takes the model's setting, which the operator chose.
///
/// Given to a [`Session`](crate::Session) for all of its requests, and to a single request, whose settings win one by
/// one. A value out of range is refused when a generation starts, as
/// [`Error::InvalidArgument`](crate::Error::InvalidArgument), which names the setting and its range; nothing is clamped.
///
/// ```
/// use mynah_guest::Options;
///
/// let options = Options::new().max_tokens(100).temperature(0.7).seed(42);
/// let short = Options::new().max_tokens(10).or(options);
/// assert_eq!(short, Options::new().max_tokens(10).temperature(0.7).seed(42));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    max_tokens: Option<u32>,
    temperature: Option<f32>,
    seed: Option<u32>,
    stop: Option<Vec<String>>,
    priority: Option<Priority>,
    queue_timeout: Option<Duration>,
    max_time: Option<Duration>,
    deterministic: Option<bool>,
}

/// How urgent a request is.
///
/// Higher goes first; a request that waits for long counts as more urgent step by step, so each is served in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// May be put aside, without loss, while something urgent needs its place.
    Low,
    /// As most requests.
    Normal,
    /// Before normal ones.
    High,
    /// Before all others; takes the place of a running [`Low`](Self::Low) one where there is no other.
    Urgent,
}

impl Options {
    /// Nothing set: everything as the operator chose.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Temperature 0.0: always the most likely token.
    #[must_use]
    pub fn greedy() -> Self {
        Self::new().temperature(0.0)
    }

    /// Tokens to generate at most, 1 or more. When they are used up the generation ends with
    /// [`FinishReason::MaxTokens`](crate::FinishReason::MaxTokens).
    #[must_use]
    pub fn max_tokens(mut self, tokens: u32) -> Self {
        self.max_tokens = Some(tokens);
        self
    }

    /// Randomness, from 0.0 to 100.0: 0.0 always takes the most likely token (greedy), 1.0 samples from the model's own
    /// distribution, higher flattens it.
    #[must_use]
    pub fn temperature(mut self, temperature: f32) -> Self {
        self.temperature = Some(temperature);
        self
    }

    /// Seed of the sampling: the same seed, prompt and settings give the same text. Without one each generation draws
    /// its own. Has no effect when the temperature is 0.0.
    #[must_use]
    pub fn seed(mut self, seed: u32) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Strings that end the answer, wherever they come in it; it has the text before the first of them, and ends with
    /// [`FinishReason::StopString`](crate::FinishReason::StopString). Up to 64, of 1 to 256 bytes each. None at all takes
    /// away those that the operator set.
    #[must_use]
    pub fn stop(mut self, stop: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.stop = Some(stop.into_iter().map(Into::into).collect());
        self
    }

    /// How urgent a request is, up to what the operator allows.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Time that a request waits in the queue at most, from 1 millisecond to a day, in whole milliseconds. Then it fails
    /// with [`Error::Timeout`](crate::Error::Timeout), before any model work.
    #[must_use]
    pub fn queue_timeout(mut self, limit: Duration) -> Self {
        self.queue_timeout = Some(limit);
        self
    }

    /// Time that a request takes at most in all, from 1 millisecond to a day, in whole milliseconds. When it runs out in
    /// the queue the request fails with [`Error::Timeout`](crate::Error::Timeout), later it ends with
    /// [`FinishReason::MaxTime`](crate::FinishReason::MaxTime) and its text so far.
    #[must_use]
    pub fn max_time(mut self, limit: Duration) -> Self {
        self.max_time = Some(limit);
        self
    }

    /// Computes the sequence apart from all others, so that the same prompt, settings and seed give the same text
    /// whatever else the model does. Slower, for everybody.
    #[must_use]
    pub fn deterministic(mut self, deterministic: bool) -> Self {
        self.deterministic = Some(deterministic);
        self
    }

    /// These settings, and those of `base` where these say nothing.
    #[must_use]
    pub fn or(self, base: Self) -> Self {
        Self {
            max_tokens: self.max_tokens.or(base.max_tokens),
            temperature: self.temperature.or(base.temperature),
            seed: self.seed.or(base.seed),
            stop: self.stop.or(base.stop),
            priority: self.priority.or(base.priority),
            queue_timeout: self.queue_timeout.or(base.queue_timeout),
            max_time: self.max_time.or(base.max_time),
            deterministic: self.deterministic.or(base.deterministic),
        }
    }
}

impl From<Options> for wit::Options {
    fn from(options: Options) -> Self {
        Self {
            max_tokens: options.max_tokens,
            temperature: options.temperature,
            seed: options.seed,
            stop: options.stop,
            priority: options.priority.map(wit::Priority::from),
            queue_timeout_ms: options.queue_timeout.map(milliseconds),
            max_time_ms: options.max_time.map(milliseconds),
            deterministic: options.deterministic,
        }
    }
}

impl From<Priority> for wit::Priority {
    fn from(priority: Priority) -> Self {
        match priority {
            Priority::Low => Self::Low,
            Priority::Normal => Self::Normal,
            Priority::High => Self::High,
            Priority::Urgent => Self::Urgent,
        }
    }
}

/// What the contract can't carry becomes its highest value, which the host refuses: far beyond a day.
fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_wins_over_its_session_setting_by_setting() {
        let session = Options::new().max_tokens(5).temperature(0.5);
        let request = Options::greedy().seed(1);
        assert_eq!(request.or(session), Options::greedy().seed(1).max_tokens(5));
    }

    #[test]
    fn what_is_not_set_is_left_to_the_host() {
        let options = wit::Options::from(Options::new());
        assert_eq!(
            (options.max_tokens, options.temperature, options.seed),
            (None, None, None)
        );
    }
}
