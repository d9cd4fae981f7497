//! Messages of a conversation, and what is in them.

use std::borrow::Cow;
use std::fmt;

use crate::bindings::mynah::llm::conversation as wit;

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
    /// Instructions of the program that asks. A model that does not know this role reads them as
    /// a system message.
    Developer,
    /// The person or program that asks.
    User,
    /// The model.
    Assistant,
    /// The result of a tool that the model called.
    Tool,
}

/// A part of the content of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "json",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum Part {
    /// Text. The text of a control token in it stays plain text.
    Text(String),
    /// A picture. A model that takes none fails with
    /// [`Error::Unsupported`](crate::Error::Unsupported).
    Image(Media),
    /// A recording. A model that takes none fails with
    /// [`Error::Unsupported`](crate::Error::Unsupported).
    Audio(Media),
}

/// A file in a message.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "json",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
pub struct Media {
    /// The media type, such as `image/png` or `audio/wav`.
    pub media_type: String,
    /// The bytes of the file.
    #[cfg_attr(feature = "json", serde(with = "crate::saved::base64"))]
    pub bytes: Vec<u8>,
}

// A picture has too many bytes to print.
impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Media({}, {} bytes)", self.media_type, self.bytes.len())
    }
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "json",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
pub struct ToolCall {
    /// The result of the call refers to this id.
    pub id: String,
    /// The name of the tool.
    pub name: String,
    /// The arguments: a JSON object.
    pub arguments: String,
}

#[cfg(feature = "json")]
impl ToolCall {
    /// Parses the arguments as a Rust type, usually the type of the [`Tool`](crate::Tool).
    ///
    /// # Errors
    ///
    /// [`Error::NotJson`](crate::Error::NotJson) if the arguments do not parse as `T`.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> crate::Result<T> {
        serde_json::from_str(&self.arguments).map_err(|error| crate::Error::NotJson {
            message: format!(
                "the arguments of `{}` are something else: {error}",
                self.name
            ),
            text: self.arguments.clone(),
        })
    }
}

/// One message of a conversation.
///
/// ```
/// use mynah_guest::Message;
///
/// let question = Message::user("Which bird is this?").with_image("image/png", [0x89, 0x50]);
/// assert_eq!(question.text(), "Which bird is this?");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "json",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
pub struct Message {
    /// The author of the message.
    pub role: Role,
    /// The content, part by part. Empty if there is none, as beside calls of tools.
    /// [`Message::text`] is its text.
    #[cfg_attr(
        feature = "json",
        serde(
            default,
            skip_serializing_if = "Vec::is_empty",
            with = "crate::saved::content"
        )
    )]
    pub content: Vec<Part>,
    /// The reasoning that came before the content; only of the assistant. Most chat templates
    /// leave out the reasoning of earlier turns.
    #[cfg_attr(
        feature = "json",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub reasoning: Option<String>,
    /// The calls of tools that the message makes; only of the assistant.
    #[cfg_attr(
        feature = "json",
        serde(default, skip_serializing_if = "Vec::is_empty")
    )]
    pub tool_calls: Vec<ToolCall>,
    /// The [`ToolCall::id`] that the message answers; only of a tool.
    #[cfg_attr(
        feature = "json",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub tool_call_id: Option<String>,
    /// The name of the author; of the tool, in a tool's message.
    #[cfg_attr(
        feature = "json",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub name: Option<String>,
    /// Further fields for the model's chat template: a JSON object without the fields above.
    #[cfg_attr(
        feature = "json",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub fields: Option<String>,
}

impl Message {
    /// A message of any role.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            content: vec![Part::Text(content.into())],
            ..Self::empty(role)
        }
    }

    /// A message without content.
    pub(crate) fn empty(role: Role) -> Self {
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

    /// Instructions for the whole conversation. Most chat templates expect them first, and at most
    /// once.
    pub fn system(content: impl Into<String>) -> Self {
        Self::new(Role::System, content)
    }

    /// Instructions of the program that asks.
    pub fn developer(content: impl Into<String>) -> Self {
        Self::new(Role::Developer, content)
    }

    /// A message from the person or program that asks.
    pub fn user(content: impl Into<String>) -> Self {
        Self::new(Role::User, content)
    }

    /// An answer of the model.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new(Role::Assistant, content)
    }

    /// The result of a tool that the model called. [`Message::tool_result`] also says of which
    /// call.
    pub fn tool(content: impl Into<String>) -> Self {
        Self::new(Role::Tool, content)
    }

    /// The result of a call, with its id and the tool's name.
    pub fn tool_result(call: &ToolCall, content: impl Into<String>) -> Self {
        Self {
            tool_call_id: Some(call.id.clone()),
            name: Some(call.name.clone()),
            ..Self::tool(content)
        }
    }

    /// Adds a picture after the content so far.
    #[must_use]
    pub fn with_image(self, media_type: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        self.with_part(Part::Image(Media {
            media_type: media_type.into(),
            bytes: bytes.into(),
        }))
    }

    /// Adds a recording after the content so far.
    #[must_use]
    pub fn with_audio(self, media_type: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        self.with_part(Part::Audio(Media {
            media_type: media_type.into(),
            bytes: bytes.into(),
        }))
    }

    /// Adds a part after the content so far.
    #[must_use]
    pub fn with_part(mut self, part: Part) -> Self {
        self.content.push(part);
        self
    }

    /// Sets the reasoning of an answer.
    #[must_use]
    pub fn with_reasoning(mut self, reasoning: impl Into<String>) -> Self {
        self.reasoning = Some(reasoning.into());
        self
    }

    /// Sets the calls of an answer.
    #[must_use]
    pub fn with_tool_calls(mut self, calls: impl IntoIterator<Item = ToolCall>) -> Self {
        self.tool_calls = calls.into_iter().collect();
        self
    }

    /// Sets the name of the author.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets further fields: a JSON object without the other fields of a message.
    #[must_use]
    pub fn with_fields(mut self, json: impl Into<String>) -> Self {
        self.fields = Some(json.into());
        self
    }

    /// The text of the content: all its parts that are text, one after another.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        let mut texts = self.content.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Image(_) | Part::Audio(_) => None,
        });
        let first = texts.next().unwrap_or_default();
        match texts.next() {
            None => Cow::Borrowed(first),
            Some(second) => Cow::Owned([first, second].into_iter().chain(texts).collect()),
        }
    }
}

impl From<Message> for wit::Message {
    fn from(message: Message) -> Self {
        Self {
            role: match message.role {
                Role::System => wit::Role::System,
                Role::Developer => wit::Role::Developer,
                Role::User => wit::Role::User,
                Role::Assistant => wit::Role::Assistant,
                Role::Tool => wit::Role::Tool,
            },
            content: message.content.into_iter().map(wit::Part::from).collect(),
            reasoning: message.reasoning,
            tool_calls: message
                .tool_calls
                .into_iter()
                .map(wit::ToolCall::from)
                .collect(),
            tool_call_id: message.tool_call_id,
            name: message.name,
            fields: message.fields,
        }
    }
}

impl From<Part> for wit::Part {
    fn from(part: Part) -> Self {
        match part {
            Part::Text(text) => Self::Text(text),
            Part::Image(media) => Self::Image(media.into()),
            Part::Audio(media) => Self::Audio(media.into()),
        }
    }
}

impl From<Media> for wit::Media {
    fn from(media: Media) -> Self {
        Self {
            media_type: media.media_type,
            bytes: media.bytes,
        }
    }
}

impl From<ToolCall> for wit::ToolCall {
    fn from(call: ToolCall) -> Self {
        Self {
            id: call.id,
            name: call.name,
            arguments: call.arguments,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_crosses_with_its_role() {
        for (message, role) in [
            (Message::system("x"), wit::Role::System),
            (Message::developer("x"), wit::Role::Developer),
            (Message::user("x"), wit::Role::User),
            (Message::assistant("x"), wit::Role::Assistant),
            (Message::tool("x"), wit::Role::Tool),
        ] {
            let crossed = wit::Message::from(message);
            assert_eq!(crossed.role, role);
            assert!(
                matches!(crossed.content.as_slice(), [wit::Part::Text(text)] if text == "x"),
                "{crossed:?}"
            );
        }
    }

    #[test]
    fn a_message_crosses_with_all_that_it_has() {
        let call = ToolCall {
            id: "1".to_owned(),
            name: "add".to_owned(),
            arguments: "{}".to_owned(),
        };
        let answer = Message::assistant("Wait.")
            .with_reasoning("Hm.")
            .with_tool_calls([call.clone()])
            .with_fields("{}");
        let crossed = wit::Message::from(answer);
        assert_eq!(crossed.reasoning.as_deref(), Some("Hm."));
        assert_eq!(crossed.fields.as_deref(), Some("{}"));
        let calls: Vec<_> = crossed.tool_calls.iter().map(|call| &call.name).collect();
        assert_eq!(calls, ["add"]);

        let result = wit::Message::from(Message::tool_result(&call, "7"));
        assert_eq!(result.tool_call_id.as_deref(), Some("1"));
        assert_eq!(result.name.as_deref(), Some("add"));
    }

    #[test]
    fn the_text_of_a_message_leaves_out_its_files() {
        let message = Message::user("a")
            .with_image("image/png", [1])
            .with_part(Part::Text("b".to_owned()))
            .with_audio("audio/wav", [2]);
        assert_eq!(message.text(), "ab");
        let kinds: Vec<bool> = wit::Message::from(message)
            .content
            .iter()
            .map(|part| matches!(part, wit::Part::Text(_)))
            .collect();
        assert_eq!(kinds, [true, false, true, false]);
        assert_eq!(Message::empty(Role::User).text(), "");
    }

    #[test]
    fn the_bytes_of_a_file_are_not_printed() {
        let message = Message::user("x").with_image("image/png", vec![7; 1000]);
        let printed = format!("{message:?}");
        assert!(
            printed.contains("Media(image/png, 1000 bytes)"),
            "{printed}"
        );
    }
}
