//! What is asked for and what comes back.

use std::time::Duration;

/// What the model is to continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// Text as it stands, special tokens included; the begin-of-sequence token is added where the
    /// model wants one.
    Text(String),
    /// A conversation, rendered with the model's own chat template. The text of a control token in
    /// it is text.
    Messages(Conversation),
    /// Token ids, taken as they are.
    Tokens(Vec<u32>),
}

impl Prompt {
    /// What it costs to keep.
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conversation {
    /// What was said. At least one message.
    pub messages: Vec<Message>,
    /// Tools that the model may call: a JSON list, in the form that its template knows. The file's
    /// own template for tools is used where it has one.
    pub tools: Option<String>,
    /// Further variables of the template: a JSON object, without `messages`, `tools`,
    /// `add_generation_prompt`, `bos_token`, `eos_token`, `pad_token` and `sep_token`.
    pub variables: Option<String>,
}

impl From<Vec<Message>> for Conversation {
    fn from(messages: Vec<Message>) -> Self {
        Self {
            messages,
            ..Self::default()
        }
    }
}

/// What a message costs beside what is said in it: a guest could send millions of empty ones.
const MESSAGE_BYTES: u64 = 16;

impl Conversation {
    /// What it costs to keep.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let len = |text: &Option<String>| text.as_ref().map_or(0, |text| text.len() as u64);
        let messages = self.messages.iter();
        let messages = messages
            .map(|message| MESSAGE_BYTES + message.content.len() as u64 + len(&message.fields));
        messages.sum::<u64>() + len(&self.tools) + len(&self.variables)
    }
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: String,
    /// Further fields, as the model's template knows them (`tool_calls`, `name`): a JSON object.
    pub fields: Option<String>,
}

impl Message {
    /// A message without further fields.
    #[must_use]
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            fields: None,
        }
    }
}

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
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
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A token of the answer and how likely it was, where `n_probs` asks for it. It comes when the
    /// token is chosen, before the text that it makes: text may be held back, or never come, where
    /// it is a stop string's.
    Token(TokenProbs),
    /// More text: whole characters, never empty.
    Text(String),
    /// The end; nothing follows.
    Finished(Outcome),
}

/// A token of the answer, and what else was likely in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenProbs {
    /// The token that was chosen.
    pub chosen: TokenProb,
    /// The most likely tokens, falling; the chosen one may be among them.
    pub top: Vec<TokenProb>,
}

/// A token and how likely it was.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenProb {
    /// Its id.
    pub id: u32,
    /// The bytes of its text, which may be part of a character; none for a control token.
    pub bytes: Vec<u8>,
    /// Natural logarithm of its probability, as the model has it before any sampler.
    pub log_prob: f32,
}

impl TokenProbs {
    /// What it costs to keep.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let all = std::iter::once(&self.chosen).chain(&self.top);
        all.map(|token| size_of::<TokenProb>() + token.bytes.len())
            .sum()
    }
}

/// How a generation ended and what it used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Why it ended.
    pub reason: FinishReason,
    /// What it used.
    pub usage: Usage,
    /// The seed that was given or drawn: the same request with it gives the same text.
    pub seed: u32,
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum FinishReason {
    /// The model said that it is done.
    EndOfGeneration,
    /// `max_tokens` were generated.
    MaxTokens,
    /// A stop string came; it isn't part of the text.
    StopString,
    /// The time of `max_time` is over.
    MaxTime,
    /// Prompt and answer fill the context.
    ContextFull,
    /// No token continues what the output form asks for; the text is what there was until then.
    DeadEnd,
    /// It was cancelled, or its session was dropped.
    Cancelled,
}

impl FinishReason {
    /// The reason's name, as everywhere outside Rust.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
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
    /// Tokens of prompt and answer that made room for others, where `context_shifting` is set.
    pub forgotten_tokens: u32,
    /// From the request until its first prompt token was computed.
    pub queue_time: Duration,
    /// From there until the first token of the answer.
    pub prefill_time: Duration,
    /// From there until the end.
    pub decode_time: Duration,
}
