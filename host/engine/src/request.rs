//! What is asked for and what comes back.

use std::time::Duration;

/// What the model is to continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// Text as it stands, special tokens included; the begin-of-sequence token is added where the model wants one.
    Text(String),
    /// A conversation, rendered with the model's own chat template.
    Messages(Vec<Message>),
    /// Token ids, taken as they are.
    Tokens(Vec<u32>),
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions that stand above the conversation.
    System,
    /// The one who asks.
    User,
    /// The model.
    Assistant,
    /// The result of a tool that the model called.
    Tool,
}

/// What comes out of a generation, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// More text: whole characters, never empty.
    Text(String),
    /// The end; nothing follows.
    Finished(Outcome),
}

/// How a generation ended and what it used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Why it ended.
    pub reason: FinishReason,
    /// What it used.
    pub usage: Usage,
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model said that it is done.
    EndOfGeneration,
    /// `max_tokens` were generated.
    MaxTokens,
    /// Prompt and answer fill the context.
    ContextFull,
    /// It was cancelled.
    Cancelled,
}

impl FinishReason {
    /// The reason's name, as everywhere outside Rust.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EndOfGeneration => "end-of-generation",
            Self::MaxTokens => "max-tokens",
            Self::ContextFull => "context-full",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What a generation used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Of these, tokens whose computation was already there.
    pub cached_tokens: u32,
    /// Tokens generated; the one that ends the generation isn't counted.
    pub generated_tokens: u32,
    /// From the request until its first prompt token was computed.
    pub queue_time: Duration,
    /// From there until the first token of the answer.
    pub prefill_time: Duration,
    /// From there until the end.
    pub decode_time: Duration,
}
