//! The options of a request: what a guest may set, and how the settings of a request and of its
//! session are merged.

mod blocks;
mod builder;
#[cfg(feature = "json")]
mod closed;
mod output;
#[cfg(feature = "json")]
mod readable;
mod reasoning;
mod sampling;

pub use blocks::{Memory, Priority, Scheduling, Stopping};
pub use output::OutputForm;
#[cfg(feature = "json")]
pub(crate) use output::arguments_schema;
#[cfg(feature = "json")]
pub use output::{JsonForm, json_schema, json_schema_with};
pub use reasoning::{FormStart, Reasoning, Thinking};
pub use sampling::{LogitBias, SamplerName, Sampling, Seed};

use std::time::Duration;

use crate::bindings::mynah::llm::settings as wit;

/// The options of a request: [`Sampling`], [`Stopping`], [`Scheduling`], [`Memory`], [`Reasoning`]
/// and the [`OutputForm`], with short cuts for the most common settings. An unset setting takes the
/// session's value, then the value that the operator chose for the model.
///
/// Options can be given to a [`Session`](crate::Session) for all of its requests and to a single
/// request; each setting of the request overrides the session's. Where a function takes options, it
/// also takes a single block.
///
/// The host refuses a value out of range when a generation starts. The error is
/// [`Error::InvalidSettings`](crate::Error::InvalidSettings) and names every wrong setting with its
/// range. No value is clamped. There are no options for the way a model is served, because the
/// operator sets that.
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
    reasoning: Reasoning,
    output: Option<OutputForm>,
    further: Option<String>,
}

impl Options {
    /// Options with nothing set: the session's and the operator's values apply.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Temperature 0.0: always takes the most likely token.
    #[must_use]
    pub fn greedy() -> Self {
        Sampling::greedy().into()
    }

    /// Sets how tokens are chosen. Settings that are unset in the block keep their value.
    #[must_use]
    pub fn sampling(mut self, sampling: Sampling) -> Self {
        self.sampling = sampling.or(self.sampling);
        self
    }

    /// Sets when the answer ends. Settings that are unset in the block keep their value.
    #[must_use]
    pub fn stopping(mut self, stopping: Stopping) -> Self {
        self.stopping = stopping.or(self.stopping);
        self
    }

    /// Sets what is cached. Settings that are unset in the block keep their value.
    #[must_use]
    pub fn memory(mut self, memory: Memory) -> Self {
        self.memory = memory.or(self.memory);
        self
    }

    /// Sets when the request runs. Settings that are unset in the block keep their value.
    #[must_use]
    pub fn scheduling(mut self, scheduling: Scheduling) -> Self {
        self.scheduling = scheduling.or(self.scheduling);
        self
    }

    /// Sets how the model reasons. Settings that are unset in the block keep their value.
    #[must_use]
    pub fn reasoning(mut self, reasoning: Reasoning) -> Self {
        self.reasoning = reasoning.or(self.reasoning);
        self
    }

    /// Sets settings that are younger than this crate: a JSON document in the format of
    /// [`Session::configure_json`](crate::Session::configure_json). The host refuses a setting
    /// that it does not know, and one that is also set by another method. A document replaces that
    /// of the session as a whole.
    #[must_use]
    pub fn further(mut self, json: impl Into<String>) -> Self {
        self.further = Some(json.into());
        self
    }

    /// Sets the form that the answer must have.
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

    /// [`Sampling::seed`] with a fixed seed.
    #[must_use]
    pub fn seed(self, seed: u32) -> Self {
        self.sampling(Sampling::new().seed(seed))
    }

    /// [`Stopping::stop`]. The answer then ends with
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

    /// [`Reasoning::thinking`].
    #[must_use]
    pub fn thinking(self, thinking: Thinking) -> Self {
        self.reasoning(Reasoning::new().thinking(thinking))
    }

    /// The value of [`Stopping::max_time`].
    pub(crate) fn time_limit(&self) -> Option<Duration> {
        self.stopping.time_limit()
    }

    /// Fills unset settings from `base`.
    #[must_use]
    pub fn or(self, base: Self) -> Self {
        Self {
            sampling: self.sampling.or(base.sampling),
            stopping: self.stopping.or(base.stopping),
            memory: self.memory.or(base.memory),
            scheduling: self.scheduling.or(base.scheduling),
            reasoning: self.reasoning.or(base.reasoning),
            output: self.output.or(base.output),
            further: self.further.or(base.further),
        }
    }
}

/// Implements `From` for options that set a single block.
macro_rules! from_block {
    ($($block:ident => $field:ident),*) => {$(
        impl From<$block> for Options {
            fn from($field: $block) -> Self {
                Self { $field, ..Self::default() }
            }
        }
    )*};
}
from_block!(
    Sampling => sampling,
    Stopping => stopping,
    Memory => memory,
    Scheduling => scheduling,
    Reasoning => reasoning
);

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
            reasoning: Some(options.reasoning.into()),
            output: options.output.map(wit::OutputForm::from),
            further: options.further,
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
        assert!(settings.output.is_none() && settings.further.is_none());
    }

    #[test]
    fn a_request_that_thinks_may_differ_from_its_session() {
        let session = Options::new()
            .thinking(Thinking::High)
            .further("{\"a\": 1}");
        let request = Options::from(Reasoning::new().budget(50)).or(session.clone());
        let settings = wit::Settings::from(request);
        let reasoning = settings.reasoning.unwrap();
        assert!(matches!(reasoning.thinking, Some(wit::Thinking::High)));
        assert_eq!((reasoning.budget, reasoning.form_start), (Some(50), None));
        assert_eq!(settings.further.as_deref(), Some("{\"a\": 1}"));

        let other = Options::new().further("{}").or(session);
        assert_eq!(wit::Settings::from(other).further.as_deref(), Some("{}"));
    }
}
