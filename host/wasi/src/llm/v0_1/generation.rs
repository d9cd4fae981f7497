//! `mynah:llm/generation` of version 0.1: its prompts, and its events.

use mynah_core::{Conversation, Event, FinishReason, Message, Prompt, Role};

use super::llm::generation as wit;
use crate::llm::work::micros;

impl From<wit::Prompt> for Prompt {
    fn from(prompt: wit::Prompt) -> Self {
        match prompt {
            wit::Prompt::Text(text) => Self::Text(text),
            wit::Prompt::Messages(messages) => {
                let messages: Vec<Message> = messages.into_iter().map(Message::from).collect();
                Self::Messages(messages.into())
            }
            wit::Prompt::Conversation(conversation) => Self::Messages(Conversation {
                messages: conversation
                    .messages
                    .into_iter()
                    .map(Message::from)
                    .collect(),
                template_tools: conversation.tools,
                variables: conversation.variables,
                ..Conversation::default()
            }),
            wit::Prompt::Tokens(tokens) => Self::Tokens(tokens),
        }
    }
}

impl From<wit::Message> for Message {
    fn from(message: wit::Message) -> Self {
        let role = match message.role {
            wit::Role::System => Role::System,
            wit::Role::User => Role::User,
            wit::Role::Assistant => Role::Assistant,
            wit::Role::Tool => Role::Tool,
        };
        Self {
            fields: message.fields,
            ..Self::new(role, message.content)
        }
    }
}

/// An event in this version. It has none for reasoning and calls, which are text in the answers to
/// its prompts.
pub(super) fn event(event: Event) -> Option<wit::Event> {
    Some(match event {
        Event::Token(token) => wit::Event::Token(token.into()),
        Event::Text(text) => wit::Event::Text(text),
        Event::Finished(outcome) => wit::Event::Finished(outcome.into()),
        Event::Reasoning(_) | Event::ToolCallStart { .. } | Event::ToolCallArguments { .. } => {
            return None;
        }
    })
}

impl From<mynah_core::Outcome> for wit::Outcome {
    fn from(outcome: mynah_core::Outcome) -> Self {
        let usage = outcome.usage;
        Self {
            seed: outcome.seed,
            reason: match outcome.reason {
                FinishReason::EndOfGeneration | FinishReason::ToolCalls => {
                    wit::FinishReason::EndOfGeneration
                }
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
                forgotten_tokens: usage.forgotten_tokens,
                queue_us: micros(usage.queue_time),
                prefill_us: micros(usage.prefill_time),
                decode_us: micros(usage.decode_time),
            },
        }
    }
}
