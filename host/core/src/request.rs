//! Requests and their results.

use std::time::Duration;

use crate::{ToolCall, Tools};

/// The input of the model.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Prompt {
    /// Text that is used unchanged, special tokens included. The begin-of-sequence token is added
    /// if the model needs one.
    Text(String),
    /// A conversation, rendered with the model's chat template. The text of a control token in a
    /// message stays text.
    Messages(Conversation),
    /// Token ids, used unchanged.
    Tokens(Vec<u32>),
}

impl Prompt {
    /// Size in bytes, for memory limits.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Messages(conversation) => conversation.bytes(),
            Self::Tokens(ids) => size_of_val(ids.as_slice()) as u64,
        }
    }
}

/// A conversation, from its beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Conversation {
    /// The messages, at least one.
    pub messages: Vec<Message>,
    /// Tools that the model may call. The file's own template for tools is used if there is one. If
    /// the template takes no tools, they are described in the system message.
    pub tools: Tools,
    /// The same in the format of the chat template, in place of `tools`: a JSON list. The answer is
    /// then text, whatever the model calls.
    pub template_tools: Option<String>,
    /// Further variables of the template: a JSON object without `messages`, `tools`,
    /// `add_generation_prompt`, `bos_token`, `eos_token`, `pad_token` and `sep_token`.
    pub variables: Option<String>,
    /// What becomes of reasoning and calls in the answer.
    pub reading: Reading,
}

/// What becomes of reasoning and calls in an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Reading {
    /// They are text, as the model writes them. A form holds from the first token of the answer.
    #[default]
    Text,
    /// They are events of their own. A form holds from the end of the reasoning.
    Events,
}

impl From<Vec<Message>> for Conversation {
    fn from(messages: Vec<Message>) -> Self {
        Self {
            messages,
            ..Self::default()
        }
    }
}

/// Size of a message in addition to its texts. It counts because a guest could send millions of
/// empty messages.
const MESSAGE_BYTES: u64 = 16;

impl Conversation {
    /// The same tools and variables, for other messages.
    #[must_use]
    pub fn without_messages(&self) -> Self {
        Self {
            messages: Vec::new(),
            tools: self.tools.clone(),
            template_tools: self.template_tools.clone(),
            variables: self.variables.clone(),
            reading: self.reading,
        }
    }

    /// Size in bytes, for memory limits.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let len = |text: &Option<String>| text.as_ref().map_or(0, |text| text.len() as u64);
        let messages = self.messages.iter();
        let messages = messages.map(Message::bytes);
        messages.sum::<u64>()
            + self.tools.bytes()
            + len(&self.template_tools)
            + len(&self.variables)
    }
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Message {
    /// The sender.
    pub role: Role,
    /// What is said, in parts. Without any part there is no content, which isn't an empty text:
    /// templates tell them apart.
    pub content: Vec<Part>,
    /// The reasoning that came before the content, of an assistant's message.
    pub reasoning: Option<String>,
    /// The calls of an assistant's message.
    pub tool_calls: Vec<ToolCall>,
    /// The id of the call that a tool's message answers.
    pub tool_call_id: Option<String>,
    /// The name of the sender, or of the tool whose result it is.
    pub name: Option<String>,
    /// Further fields of the model's template: a JSON object, without what the fields above say.
    pub fields: Option<String>,
}

impl Message {
    /// A message of one text.
    #[must_use]
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self {
            content: vec![Part::Text(text.into())],
            ..Self::empty(role)
        }
    }

    /// A message without content.
    #[must_use]
    pub fn empty(role: Role) -> Self {
        Self {
            role,
            content: Vec::new(),
            reasoning: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
            name: None,
            fields: None,
        }
    }

    /// The texts of its content, each in a line of its own.
    #[must_use]
    pub fn text(&self) -> String {
        let texts = self.content.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Image(_) | Part::Audio(_) => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }

    /// Size in bytes, for memory limits.
    fn bytes(&self) -> u64 {
        let texts = [
            &self.reasoning,
            &self.tool_call_id,
            &self.name,
            &self.fields,
        ];
        let texts = texts.into_iter().flatten().map(|text| text.len() as u64);
        let parts = self.content.iter().map(Part::bytes);
        let calls = self.tool_calls.iter().map(ToolCall::bytes);
        MESSAGE_BYTES + texts.chain(parts).chain(calls).sum::<u64>()
    }
}

/// A part of a message's content.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Part {
    /// Text.
    Text(String),
    /// A picture.
    Image(Media),
    /// A recording.
    Audio(Media),
}

impl Part {
    fn bytes(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Image(media) | Self::Audio(media) => {
                (media.media_type.len() + media.bytes.len()) as u64
            }
        }
    }
}

/// A file within a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Media {
    /// Its media type, such as `image/png`.
    pub media_type: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// The sender of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions for the whole conversation.
    System,
    /// Instructions of the program that asks. To a template that does not know this role they are a
    /// system message.
    Developer,
    /// The user.
    User,
    /// The model.
    Assistant,
    /// The result of a tool that the model called.
    Tool,
}

impl Role {
    /// The name of the role in JSON and in templates.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Developer => "developer",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// An event of a generation. Events come in order.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Event {
    /// A token of the answer with its probability, if `n_probs` is set. It comes when the token is
    /// chosen, before its text: the text may be held back, or never come if it is a part of a stop
    /// string.
    Token(TokenProbs),
    /// More of the model's reasoning before its answer: whole characters, never empty.
    Reasoning(String),
    /// More text: whole characters, never empty.
    Text(String),
    /// A call begins. Its arguments follow.
    ToolCallStart {
        /// The number of the call in the answer, from 0.
        index: u32,
        /// What the result of the call refers to.
        id: String,
        /// The name of the tool.
        name: String,
    },
    /// More of the arguments of a call: whole characters, never empty. All together are a JSON
    /// object.
    ToolCallArguments {
        /// The number of the call.
        index: u32,
        /// The text.
        text: String,
    },
    /// The end. No event follows.
    Finished(Outcome),
}

/// A token of the answer, with the most likely alternatives.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TokenProbs {
    /// The chosen token.
    pub chosen: TokenProb,
    /// The most likely tokens, the most likely first. The chosen one may be among them.
    pub top: Vec<TokenProb>,
}

/// A token and its probability.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TokenProb {
    /// The id.
    pub id: u32,
    /// The bytes of its text, which may be a part of a character. Empty for a control token.
    pub bytes: Vec<u8>,
    /// Natural logarithm of its probability in the model's own distribution, before any sampler.
    pub log_prob: f32,
}

impl TokenProbs {
    /// Size in bytes, for memory limits.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let all = std::iter::once(&self.chosen).chain(&self.top);
        all.map(|token| size_of::<TokenProb>() + token.bytes.len())
            .sum()
    }
}

/// How a generation ended, and what it used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Outcome {
    /// The finish reason.
    pub reason: FinishReason,
    /// The usage.
    pub usage: Usage,
    /// The seed, whether set or drawn. The same request with this seed gives the same text.
    pub seed: u32,
}

/// Why a generation ended.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, serde::Serialize, serde::Deserialize,
)]
#[strum(serialize_all = "kebab-case")]
pub enum FinishReason {
    /// The model chose an end-of-generation token.
    EndOfGeneration,
    /// The answer ends with calls of tools, whose results are to be given.
    ToolCalls,
    /// `max_tokens` tokens were generated.
    MaxTokens,
    /// A stop string occurred. It is not part of the text.
    StopString,
    /// `max_time` was reached.
    MaxTime,
    /// Prompt and answer fill the context.
    ContextFull,
    /// No token continues the output form. The text ends there.
    DeadEnd,
    /// It was cancelled, or its session was dropped.
    Cancelled,
}

impl FinishReason {
    /// The name of the reason in JSON and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// What a generation used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Usage {
    /// Number of tokens of the prompt.
    pub prompt_tokens: u32,
    /// Number of these tokens whose computation was cached.
    pub cached_tokens: u32,
    /// Number of generated tokens, without the one that ends the generation.
    pub generated_tokens: u32,
    /// Number of these tokens that are reasoning.
    pub reasoning_tokens: u32,
    /// Number of tokens of prompt and answer that were removed for newer ones (`context_shifting`).
    pub forgotten_tokens: u32,
    /// Time from the request until its first prompt token was computed.
    pub queue_time: Duration,
    /// Time from then until the first token of the answer.
    pub prefill_time: Duration,
    /// Time from then until the end.
    pub decode_time: Duration,
}
