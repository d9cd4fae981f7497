//! Prompts: text, a conversation, or tokens.

use crate::bindings::mynah::llm::generation as wit;

/// The input that the model continues.
///
/// A function that takes a prompt also takes any type that converts to one: `&str` and `String` are
/// text, messages (one, an array, a slice or a `Vec`) are a conversation, a `Vec<u32>` is tokens.
/// ```
/// use mynah_guest::{Message, Prompt};
///
/// let text: Prompt = "Once upon a time".into();
/// let conversation: Prompt =
///     [Message::system("Be brief."), Message::user("Why is the sky blue?")].into();
/// # assert_ne!(text, conversation);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// Text that is tokenized as it is; the text of a special token (such as `<|im_start|>`)
    /// becomes that token. If the model expects a begin-of-sequence token, the host puts it first.
    Text(String),
    /// A conversation, from its beginning. The host renders it with the model's own chat template
    /// and opens the assistant's turn. If the last message is the assistant's, the answer continues
    /// it.
    Messages(Vec<Message>),
    /// A conversation with tools and variables for the chat template.
    Conversation(Conversation),
    /// Token ids of this model, less than its vocabulary size. Nothing is added before them.
    Tokens(Vec<u32>),
}

/// The author of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "json",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum Role {
    /// Instructions for the whole conversation.
    System,
    /// The person or program that asks.
    User,
    /// The model.
    Assistant,
    /// The result of a tool that the model called.
    Tool,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "json",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
pub struct Message {
    /// The author of the message.
    pub role: Role,
    /// The text of the message. The text of a control token in it stays plain text.
    pub content: String,
    /// Further fields for the model's chat template, such as `tool_calls` or `name`: a JSON object.
    #[cfg_attr(
        feature = "json",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub fields: Option<String>,
}

/// A conversation with tools and variables for the chat template.
///
/// ```
/// use mynah_guest::{Conversation, Message};
///
/// let weather = r#"[{
///     "type": "function",
///     "function": {"name": "weather", "parameters": {"type": "object"}}
/// }]"#;
/// let conversation = Conversation::new([Message::user("Is it raining in Oslo?")])
///     .tools(weather)
///     .variables(r#"{"enable_thinking": false}"#);
/// # let _ = conversation;
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "json",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
pub struct Conversation {
    pub(crate) messages: Vec<Message>,
    #[cfg_attr(
        feature = "json",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    tools: Option<String>,
    #[cfg_attr(
        feature = "json",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    variables: Option<String>,
}

impl Conversation {
    /// A conversation of these messages, oldest first.
    #[must_use]
    pub fn new(messages: impl Into<Vec<Message>>) -> Self {
        Self {
            messages: messages.into(),
            ..Self::default()
        }
    }

    /// Sets the tools that the model may call: a JSON list, in the form that the model's chat
    /// template expects. If the template takes no tools, the host describes them in the system
    /// message.
    #[must_use]
    pub fn tools(mut self, json: impl Into<String>) -> Self {
        self.tools = Some(json.into());
        self
    }

    /// Sets further variables of the chat template: a JSON object.
    #[must_use]
    pub fn variables(mut self, json: impl Into<String>) -> Self {
        self.variables = Some(json.into());
        self
    }
}

impl From<Conversation> for Prompt {
    fn from(conversation: Conversation) -> Self {
        Self::Conversation(conversation)
    }
}

impl Message {
    /// A message of any role.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            fields: None,
        }
    }

    /// Sets further fields: a JSON object without `role` and `content`.
    #[must_use]
    pub fn with_fields(mut self, json: impl Into<String>) -> Self {
        self.fields = Some(json.into());
        self
    }

    /// Instructions for the whole conversation. Most chat templates expect them first, and at most
    /// once.
    pub fn system(content: impl Into<String>) -> Self {
        Self::new(Role::System, content)
    }

    /// A message from the person or program that asks.
    pub fn user(content: impl Into<String>) -> Self {
        Self::new(Role::User, content)
    }

    /// An answer of the model.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new(Role::Assistant, content)
    }

    /// The result of a tool that the model called.
    pub fn tool(content: impl Into<String>) -> Self {
        Self::new(Role::Tool, content)
    }
}

impl From<&str> for Prompt {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Prompt {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Prompt {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<Message> for Prompt {
    fn from(message: Message) -> Self {
        Self::Messages(vec![message])
    }
}

impl From<Vec<Message>> for Prompt {
    fn from(messages: Vec<Message>) -> Self {
        Self::Messages(messages)
    }
}

impl From<&Vec<Message>> for Prompt {
    fn from(messages: &Vec<Message>) -> Self {
        Self::Messages(messages.clone())
    }
}

impl From<&[Message]> for Prompt {
    fn from(messages: &[Message]) -> Self {
        Self::Messages(messages.to_vec())
    }
}

impl<const N: usize> From<[Message; N]> for Prompt {
    fn from(messages: [Message; N]) -> Self {
        Self::Messages(messages.into())
    }
}

impl From<Vec<u32>> for Prompt {
    fn from(tokens: Vec<u32>) -> Self {
        Self::Tokens(tokens)
    }
}

impl From<Prompt> for wit::Prompt {
    fn from(prompt: Prompt) -> Self {
        match prompt {
            Prompt::Text(text) => Self::Text(text),
            Prompt::Messages(messages) => {
                Self::Messages(messages.into_iter().map(wit::Message::from).collect())
            }
            Prompt::Conversation(conversation) => Self::Conversation(wit::Conversation {
                messages: conversation
                    .messages
                    .into_iter()
                    .map(wit::Message::from)
                    .collect(),
                tools: conversation.tools,
                variables: conversation.variables,
            }),
            Prompt::Tokens(tokens) => Self::Tokens(tokens),
        }
    }
}

impl From<Message> for wit::Message {
    fn from(message: Message) -> Self {
        Self {
            role: match message.role {
                Role::System => wit::Role::System,
                Role::User => wit::Role::User,
                Role::Assistant => wit::Role::Assistant,
                Role::Tool => wit::Role::Tool,
            },
            content: message.content,
            fields: message.fields,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_text_and_messages_are_a_conversation() {
        assert_eq!(Prompt::from("hi"), Prompt::Text("hi".into()));
        assert_eq!(Prompt::from(&String::from("hi")), Prompt::from("hi"));
        let messages = vec![Message::system("Be brief."), Message::user("hi")];
        assert_eq!(Prompt::from(&messages), Prompt::Messages(messages.clone()));
        assert_eq!(Prompt::from(messages.as_slice()), Prompt::from(messages));
        assert_eq!(Prompt::from(vec![1, 2]), Prompt::Tokens(vec![1, 2]));
    }

    #[test]
    fn a_message_crosses_with_its_role() {
        for (message, role) in [
            (Message::system("x"), wit::Role::System),
            (Message::user("x"), wit::Role::User),
            (Message::assistant("x"), wit::Role::Assistant),
            (Message::tool("x"), wit::Role::Tool),
        ] {
            let crossed = wit::Message::from(message);
            assert_eq!((crossed.role, crossed.content.as_str()), (role, "x"));
        }
    }
}
