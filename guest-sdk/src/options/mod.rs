//! How text is made: what a guest may set, and how a request's settings and a session's go
//! together.

mod blocks;
mod builder;
mod output;
mod sampling;

pub use blocks::{Memory, Priority, Scheduling, Stopping};
pub use output::OutputForm;
#[cfg(feature = "json")]
pub use output::json_schema;
pub use sampling::{LogitBias, SamplerName, Sampling, Seed};

use std::time::Duration;

use crate::bindings::mynah::llm::settings as wit;

/// How text is made: [`Sampling`], [`Stopping`], [`Scheduling`], [`Memory`] and the [`OutputForm`],
/// with short cuts for what is set most. What is not set takes the session's setting, then the
/// model's, which the operator chose.
///
/// Given to a [`Session`](crate::Session) for all of its requests, and to a single request, whose
/// settings win one by one. Any of the blocks is enough where options are asked for. A value out of
/// range is refused when a generation starts, as
/// [`Error::InvalidSettings`](crate::Error::InvalidSettings), which names every setting with its
/// range; nothing is clamped. How a model is served isn't a guest's to set, so there is no option
/// for it.
///
/// ```
/// use mynah_guest::{Options, Sampling, Stopping};
///
/// let options = Options::new().max_tokens(100).temperature(0.7).seed(42);
/// let short = Options::new().max_tokens(10).or(options);
/// assert_eq!(short, Options::new().max_tokens(10).temperature(0.7).seed(42));
///
/// let haiku = Options::from(Sampling::creative()).stopping(Stopping::new().stop(["\n\n"]));
/// # let _ = haiku;
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    sampling: Sampling,
    stopping: Stopping,
    memory: Memory,
    scheduling: Scheduling,
    output: Option<OutputForm>,
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
        Sampling::greedy().into()
    }

    /// How tokens are chosen; what this says nothing about stays.
    #[must_use]
    pub fn sampling(mut self, sampling: Sampling) -> Self {
        self.sampling = sampling.or(self.sampling);
        self
    }

    /// When the answer ends; what this says nothing about stays.
    #[must_use]
    pub fn stopping(mut self, stopping: Stopping) -> Self {
        self.stopping = stopping.or(self.stopping);
        self
    }

    /// What is remembered; what this says nothing about stays.
    #[must_use]
    pub fn memory(mut self, memory: Memory) -> Self {
        self.memory = memory.or(self.memory);
        self
    }

    /// When the request runs; what this says nothing about stays.
    #[must_use]
    pub fn scheduling(mut self, scheduling: Scheduling) -> Self {
        self.scheduling = scheduling.or(self.scheduling);
        self
    }

    /// The form that the answer must have.
    #[must_use]
    pub fn output(mut self, form: OutputForm) -> Self {
        self.output = Some(form);
        self
    }

    /// [`Stopping::max_tokens`].
    #[must_use]
    pub fn max_tokens(self, tokens: u32) -> Self {
        self.stopping(Stopping::new().max_tokens(tokens))
    }

    /// [`Sampling::temperature`].
    #[must_use]
    pub fn temperature(self, temperature: f32) -> Self {
        self.sampling(Sampling::new().temperature(temperature))
    }

    /// [`Sampling::seed`], with one that is fixed.
    #[must_use]
    pub fn seed(self, seed: u32) -> Self {
        self.sampling(Sampling::new().seed(seed))
    }

    /// [`Stopping::stop`]; the answer ends with
    /// [`FinishReason::StopString`](crate::FinishReason::StopString).
    #[must_use]
    pub fn stop(self, stop: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.stopping(Stopping::new().stop(stop))
    }

    /// [`Scheduling::priority`].
    #[must_use]
    pub fn priority(self, priority: Priority) -> Self {
        self.scheduling(Scheduling::new().priority(priority))
    }

    /// [`Scheduling::queue_timeout`].
    #[must_use]
    pub fn queue_timeout(self, limit: Duration) -> Self {
        self.scheduling(Scheduling::new().queue_timeout(limit))
    }

    /// [`Stopping::max_time`].
    #[must_use]
    pub fn max_time(self, limit: Duration) -> Self {
        self.stopping(Stopping::new().max_time(limit))
    }

    /// [`Scheduling::deterministic`].
    #[must_use]
    pub fn deterministic(self, deterministic: bool) -> Self {
        self.scheduling(Scheduling::new().deterministic(deterministic))
    }

    /// These settings, and those of `base` where these say nothing.
    #[must_use]
    pub fn or(self, base: Self) -> Self {
        Self {
            sampling: self.sampling.or(base.sampling),
            stopping: self.stopping.or(base.stopping),
            memory: self.memory.or(base.memory),
            scheduling: self.scheduling.or(base.scheduling),
            output: self.output.or(base.output),
        }
    }
}

/// Options that set one block alone.
macro_rules! from_block {
    ($($block:ident => $field:ident),*) => {$(
        impl From<$block> for Options {
            fn from($field: $block) -> Self {
                Self { $field, ..Self::default() }
            }
        }
    )*};
}
from_block!(Sampling => sampling, Stopping => stopping, Memory => memory, Scheduling => scheduling);

impl From<OutputForm> for Options {
    fn from(form: OutputForm) -> Self {
        Self::new().output(form)
    }
}

impl From<Options> for wit::Settings {
    fn from(options: Options) -> Self {
        Self {
            sampling: Some(options.sampling.into()),
            stopping: Some(options.stopping.into()),
            memory: Some(options.memory.into()),
            scheduling: Some(options.scheduling.into()),
            output: options.output.map(wit::OutputForm::from),
        }
    }
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
    fn a_block_sets_what_it_says_and_leaves_the_rest() {
        let options = Options::new().seed(1).max_tokens(3);
        let options = options
            .sampling(Sampling::new().top_k(5))
            .stopping(Stopping::new().ignore_eos(true));
        let settings = wit::Settings::from(options);
        let (sampling, stopping) = (settings.sampling.unwrap(), settings.stopping.unwrap());
        assert!(matches!(sampling.seed, Some(wit::Seed::Fixed(1))));
        assert_eq!((sampling.top_k, sampling.temperature), (Some(5), None));
        assert_eq!(
            (stopping.max_tokens, stopping.ignore_eos),
            (Some(3), Some(true))
        );
    }

    #[test]
    fn what_is_not_set_is_left_to_the_host() {
        let settings = wit::Settings::from(Options::new());
        let sampling = settings.sampling.unwrap();
        assert_eq!((sampling.temperature, sampling.top_p), (None, None));
        assert!(settings.output.is_none());
    }
}
