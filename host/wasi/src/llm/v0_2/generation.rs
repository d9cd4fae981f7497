//! `mynah:llm/generation` of version 0.2: its prompts, and its events.

use mynah_core::{Event, FinishReason, Outcome, Prompt};

use super::llm::generation as wit;
use crate::llm::work::micros;

impl From<wit::Prompt> for Prompt {
    fn from(prompt: wit::Prompt) -> Self {
        match prompt {
            wit::Prompt::Text(text) => Self::Text(text),
            wit::Prompt::Conversation(conversation) => Self::Messages(conversation.into()),
            wit::Prompt::Tokens(tokens) => Self::Tokens(tokens),
        }
    }
}

/// An event in this version, which has all of them.
#[expect(clippy::unnecessary_wraps, reason = "older versions lack some")]
pub(super) fn event(event: Event) -> Option<wit::Event> {
    Some(match event {
        Event::Token(token) => wit::Event::Token(token.into()),
        Event::Reasoning(text) => wit::Event::Reasoning(text),
        Event::Text(text) => wit::Event::Text(text),
        Event::ToolCallStart { index, id, name } => {
            wit::Event::ToolCallStart(wit::ToolCallStart { index, id, name })
        }
        Event::ToolCallArguments { index, text } => {
            wit::Event::ToolCallArguments(wit::ToolCallArguments { index, text })
        }
        Event::Finished(outcome) => wit::Event::Finished(outcome.into()),
    })
}

impl From<Outcome> for wit::Outcome {
    fn from(outcome: Outcome) -> Self {
        let usage = outcome.usage;
        Self {
            seed: outcome.seed,
            reason: match outcome.reason {
                FinishReason::EndOfGeneration => wit::FinishReason::EndOfGeneration,
                FinishReason::ToolCalls => wit::FinishReason::ToolCalls,
                FinishReason::MaxTokens => wit::FinishReason::MaxTokens,
                FinishReason::StopString => wit::FinishReason::StopString,
                FinishReason::MaxTime => wit::FinishReason::MaxTime,
                FinishReason::ContextFull => wit::FinishReason::ContextFull,
                FinishReason::DeadEnd => wit::FinishReason::DeadEnd,
                FinishReason::Cancelled => wit::FinishReason::Cancelled,
            },
            usage: wit::Usage {
                prompt_tokens: usage.prompt_tokens,
                cached_tokens: usage.cached_tokens,
                generated_tokens: usage.generated_tokens,
                reasoning_tokens: usage.reasoning_tokens,
                forgotten_tokens: usage.forgotten_tokens,
                queue_us: micros(usage.queue_time),
                prefill_us: micros(usage.prefill_time),
                decode_us: micros(usage.decode_time),
            },
        }
    }
}
