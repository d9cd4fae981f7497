//! A conversation with tools and variables for the chat template.

use crate::bindings::mynah::llm::conversation as wit;
use crate::{Message, Tool};

/// A conversation with tools and variables for the chat template.
///
/// ```
/// use mynah_guest::{Conversation, Message, Tool};
///
/// let weather = Tool::new("weather", "The weather of a city today.")
///     .parameters(r#"{"type": "object", "properties": {"city": {"type": "string"}}}"#);
/// let conversation = Conversation::new([Message::user("Is it raining in Oslo?")])
///     .tools([weather])
///     .variables(r#"{"date": "today"}"#);
/// # let _ = conversation;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "json",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
pub struct Conversation {
    pub(crate) messages: Vec<Message>,
    #[cfg_attr(
        feature = "json",
        serde(default, skip_serializing_if = "Vec::is_empty")
    )]
    pub(crate) tools: Vec<Tool>,
    #[cfg_attr(feature = "json", serde(default))]
    pub(crate) tool_choice: ToolChoice,
    #[cfg_attr(feature = "json", serde(default = "parallel_by_default"))]
    pub(crate) parallel_tool_calls: bool,
    #[cfg_attr(
        feature = "json",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub(crate) variables: Option<String>,
}

/// The default of [`Conversation::parallel_tool_calls`].
fn parallel_by_default() -> bool {
    true
}

/// Whether the model calls a tool, and which.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "json",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// The model calls no tool. It still knows the tools.
    None,
    /// The model calls one tool or more.
    Required,
    /// The model calls the tool of this name.
    Named(String),
}

impl Default for Conversation {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            tools: Vec::new(),
            tool_choice: ToolChoice::default(),
            parallel_tool_calls: parallel_by_default(),
            variables: None,
        }
    }
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

    /// Sets the tools that the model may call, each name once. If the model's chat template takes
    /// no tools, the host describes them in the system message.
    #[must_use]
    pub fn tools(mut self, tools: impl IntoIterator<Item = Tool>) -> Self {
        self.tools = tools.into_iter().collect();
        self
    }

    /// Sets whether the model calls a tool, and which. Default [`ToolChoice::Auto`]; it has no
    /// effect without tools.
    #[must_use]
    pub fn tool_choice(mut self, choice: ToolChoice) -> Self {
        self.tool_choice = choice;
        self
    }

    /// Sets whether one answer may have several calls. Default yes.
    #[must_use]
    pub fn parallel_tool_calls(mut self, parallel: bool) -> Self {
        self.parallel_tool_calls = parallel;
        self
    }

    /// Sets further variables of the chat template: a JSON object.
    #[must_use]
    pub fn variables(mut self, json: impl Into<String>) -> Self {
        self.variables = Some(json.into());
        self
    }

    /// The messages, oldest first.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }
}

impl From<Conversation> for wit::Conversation {
    fn from(conversation: Conversation) -> Self {
        Self {
            messages: conversation
                .messages
                .into_iter()
                .map(wit::Message::from)
                .collect(),
            tools: conversation
                .tools
                .into_iter()
                .map(wit::Tool::from)
                .collect(),
            tool_choice: match conversation.tool_choice {
                ToolChoice::Auto => wit::ToolChoice::Auto,
                ToolChoice::None => wit::ToolChoice::None,
                ToolChoice::Required => wit::ToolChoice::Required,
                ToolChoice::Named(name) => wit::ToolChoice::Named(name),
            },
            parallel_tool_calls: conversation.parallel_tool_calls,
            variables: conversation.variables,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_crosses_with_its_tools_and_how_they_are_called() {
        let conversation = Conversation::new([Message::user("hi")])
            .tools([Tool::new("add", "Adds.")])
            .tool_choice(ToolChoice::Named("add".to_owned()))
            .parallel_tool_calls(false)
            .variables("{}");
        let crossed = wit::Conversation::from(conversation);
        assert_eq!((crossed.messages.len(), crossed.tools.len()), (1, 1));
        assert!(
            matches!(&crossed.tool_choice, wit::ToolChoice::Named(name) if name == "add"),
            "{crossed:?}"
        );
        assert!(!crossed.parallel_tool_calls);
        assert_eq!(crossed.variables.as_deref(), Some("{}"));
    }

    #[test]
    fn a_model_decides_and_may_make_several_calls_unless_told_otherwise() {
        let crossed = wit::Conversation::from(Conversation::new([Message::user("hi")]));
        assert!(matches!(crossed.tool_choice, wit::ToolChoice::Auto));
        assert!(crossed.parallel_tool_calls);
    }
}
