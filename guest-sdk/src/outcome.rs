//! How a generation ended and what it used. An early end is data, not an error.

use std::fmt;
use std::time::Duration;

use crate::ToolCall;
use crate::bindings::mynah::llm::generation as wit;

/// A finished generation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The whole text, without reasoning and calls.
    pub text: String,
    /// The reasoning that came before the text. `None` if there was none, or if the prompt was not
    /// a conversation: then it is part of the text.
    pub reasoning: Option<String>,
    /// The calls of tools, oldest first. A call that was cut short is not among them.
    pub tool_calls: Vec<ToolCall>,
    /// How the generation ended and what it used.
    pub outcome: Outcome,
}

#[cfg(feature = "json")]
impl Answer {
    /// Parses the answer as JSON, for a request with the output form
    /// [`json_schema`](crate::json_schema).
    ///
    /// # Errors
    ///
    /// [`Error::NotJson`](crate::Error::NotJson) if the text does not parse as `T`. The error
    /// includes the reason for which the generation ended, because an answer that was cut short is
    /// not complete JSON.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> crate::Result<T> {
        serde_json::from_str(&self.text).map_err(|error| crate::Error::NotJson {
            message: format!(
                "the answer is not the JSON that was asked for ({error}); it ended with {}. {}",
                self.outcome.reason,
                self.advice()
            ),
            text: self.text.clone(),
        })
    }

    /// What to do about an answer that does not parse.
    fn advice(&self) -> &'static str {
        match self.outcome.reason {
            FinishReason::MaxTokens
            | FinishReason::MaxTime
            | FinishReason::ContextFull
            | FinishReason::StopString => {
                "Allow more (`max_tokens`, `max_time`, a larger context, other stop strings). If \
                 an object of your own schema is open, the model may add properties without end: \
                 set `additionalProperties` to false"
            }
            FinishReason::Cancelled => "Read the whole answer before you parse it",
            FinishReason::ToolCalls => {
                "The model called a tool instead: answer its calls, or forbid them with \
                 `ToolChoice::None`"
            }
            FinishReason::EndOfGeneration | FinishReason::DeadEnd => {
                "Ask for it with `json_schema`, and parse it as the same type"
            }
        }
    }
}

/// A token of the answer and its most likely alternatives.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TokenProbs {
    /// The token that was chosen.
    pub chosen: TokenProb,
    /// The most likely tokens, most likely first; the chosen one may be among them.
    pub top: Vec<TokenProb>,
}

/// A token and its probability.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TokenProb {
    /// The token's id.
    pub id: u32,
    /// The bytes of the token's text, which may be part of a character; empty for a control token.
    pub bytes: Vec<u8>,
    /// Natural logarithm of the probability that the model gave the token before any sampler.
    pub log_prob: f32,
}

impl From<wit::TokenProbs> for TokenProbs {
    fn from(token: wit::TokenProbs) -> Self {
        Self {
            chosen: token.chosen.into(),
            top: token.top.into_iter().map(TokenProb::from).collect(),
        }
    }
}

impl From<wit::TokenProb> for TokenProb {
    fn from(token: wit::TokenProb) -> Self {
        Self {
            id: token.id,
            bytes: token.bytes,
            log_prob: token.log_prob,
        }
    }
}

/// How a generation ended, and what it used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// Why the generation ended.
    pub reason: FinishReason,
    /// What the generation used.
    pub usage: Usage,
    /// The seed that was given or that the host drew. The same request with this seed gives the
    /// same text.
    pub seed: u32,
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FinishReason {
    /// The model generated its end-of-generation token.
    EndOfGeneration,
    /// The model is done, and waits for the results of its calls.
    ToolCalls,
    /// The limit of [`Options::max_tokens`](crate::Options::max_tokens) was reached.
    MaxTokens,
    /// A string of [`Options::stop`](crate::Options::stop) occurred; it is not part of the text.
    StopString,
    /// The time limit of [`Options::max_time`](crate::Options::max_time) was reached.
    MaxTime,
    /// Prompt and answer fill the context.
    ContextFull,
    /// No token of the model can continue the output form; the text ends before that point.
    DeadEnd,
    /// The guest cancelled the generation.
    Cancelled,
}

impl FinishReason {
    /// The reason in the spelling of the contract, configuration and metrics, such as
    /// `end-of-generation`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EndOfGeneration => "end-of-generation",
            Self::ToolCalls => "tool-calls",
            Self::MaxTokens => "max-tokens",
            Self::StopString => "stop-string",
            Self::MaxTime => "max-time",
            Self::ContextFull => "context-full",
            Self::DeadEnd => "dead-end",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for FinishReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a generation used. The three times follow one another and add up to the time from start to
/// end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Usage {
    /// Tokens of the prompt, including those of the chat template.
    pub prompt_tokens: u32,
    /// Prompt tokens whose computation was reused from the prefix cache.
    pub cached_tokens: u32,
    /// Generated tokens, without the one that ends the generation.
    pub generated_tokens: u32,
    /// Generated tokens that are reasoning.
    pub reasoning_tokens: u32,
    /// Tokens of prompt and answer that context shifting removed, if
    /// [`Memory::context_shifting`](crate::Memory) is set.
    pub forgotten_tokens: u32,
    /// From the start until computation of the prompt began.
    pub queue_time: Duration,
    /// From there until the first token of the answer.
    pub prefill_time: Duration,
    /// From there until the end.
    pub decode_time: Duration,
}

impl Usage {
    /// From the start until the first token of the answer.
    #[must_use]
    pub fn time_to_first_token(&self) -> Duration {
        self.queue_time + self.prefill_time
    }

    /// Decoding speed: tokens after the first, divided by [`Usage::decode_time`]. `None` with fewer
    /// than two tokens, or if no time passed.
    #[must_use]
    pub fn tokens_per_second(&self) -> Option<f64> {
        let tokens = self.generated_tokens.checked_sub(1).filter(|&n| n > 0)?;
        let seconds = self.decode_time.as_secs_f64();
        (seconds > 0.0).then(|| f64::from(tokens) / seconds)
    }
}

impl From<wit::Outcome> for Outcome {
    fn from(outcome: wit::Outcome) -> Self {
        Self {
            reason: outcome.reason.into(),
            usage: outcome.usage.into(),
            seed: outcome.seed,
        }
    }
}

impl From<wit::FinishReason> for FinishReason {
    fn from(reason: wit::FinishReason) -> Self {
        match reason {
            wit::FinishReason::EndOfGeneration => Self::EndOfGeneration,
            wit::FinishReason::ToolCalls => Self::ToolCalls,
            wit::FinishReason::MaxTokens => Self::MaxTokens,
            wit::FinishReason::StopString => Self::StopString,
            wit::FinishReason::MaxTime => Self::MaxTime,
            wit::FinishReason::ContextFull => Self::ContextFull,
            wit::FinishReason::DeadEnd => Self::DeadEnd,
            wit::FinishReason::Cancelled => Self::Cancelled,
        }
    }
}

impl From<wit::Usage> for Usage {
    fn from(usage: wit::Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            cached_tokens: usage.cached_tokens,
            generated_tokens: usage.generated_tokens,
            reasoning_tokens: usage.reasoning_tokens,
            forgotten_tokens: usage.forgotten_tokens,
            queue_time: Duration::from_micros(usage.queue_us),
            prefill_time: Duration::from_micros(usage.prefill_us),
            decode_time: Duration::from_micros(usage.decode_us),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_counts_the_tokens_after_the_first() {
        let usage = Usage {
            generated_tokens: 11,
            decode_time: Duration::from_millis(500),
            ..Usage::default()
        };
        assert_eq!(usage.tokens_per_second(), Some(20.0));
    }

    #[cfg(feature = "json")]
    #[test]
    fn an_answer_that_was_cut_short_is_no_value_and_says_why() {
        let answer = |text: &str, reason| Answer {
            text: text.to_owned(),
            reasoning: None,
            tool_calls: Vec::new(),
            outcome: Outcome {
                reason,
                usage: Usage::default(),
                seed: 0,
            },
        };
        let whole = answer("[1, 2]", FinishReason::EndOfGeneration);
        assert_eq!(whole.json::<Vec<u8>>().unwrap(), [1, 2]);
        let cut = answer("[1, ", FinishReason::MaxTokens);
        let told = cut.json::<Vec<u8>>().unwrap_err();
        for part in [
            "max-tokens",
            "Allow more",
            "`additionalProperties` to false",
        ] {
            assert!(told.to_string().contains(part), "{told}");
        }
        assert!(
            matches!(&told, crate::Error::NotJson { text, .. } if text == "[1, "),
            "{told:?}"
        );
    }

    #[test]
    fn speed_is_nothing_where_there_is_nothing_to_measure() {
        for (generated_tokens, decode_time) in
            [(0, 5), (1, 5), (9, 0)].map(|(n, ms)| (n, Duration::from_millis(ms)))
        {
            let usage = Usage {
                generated_tokens,
                decode_time,
                ..Usage::default()
            };
            assert_eq!(usage.tokens_per_second(), None, "{usage:?}");
        }
    }

    #[test]
    fn microseconds_become_durations() {
        let usage = Usage::from(wit::Usage {
            prompt_tokens: 3,
            cached_tokens: 2,
            generated_tokens: 1,
            reasoning_tokens: 1,
            forgotten_tokens: 0,
            queue_us: 10,
            prefill_us: 20,
            decode_us: 30,
        });
        assert_eq!(usage.time_to_first_token(), Duration::from_micros(30));
        assert_eq!(usage.decode_time, Duration::from_micros(30));
        assert_eq!((usage.prompt_tokens, usage.cached_tokens), (3, 2));
        assert_eq!((usage.generated_tokens, usage.reasoning_tokens), (1, 1));
    }
}
