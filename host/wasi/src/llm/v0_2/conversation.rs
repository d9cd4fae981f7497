//! `mynah:llm/conversation`.

use mynah_core::{
    Conversation, Media, Message, Part, Reading, Role, Tool, ToolCall, ToolChoice, Tools,
};

use super::llm::conversation as wit;

impl wit::Host for crate::LlmCtxView<'_> {}

impl From<wit::Conversation> for Conversation {
    fn from(conversation: wit::Conversation) -> Self {
        let messages = conversation.messages.into_iter();
        Self {
            messages: messages.map(Message::from).collect(),
            tools: Tools {
                list: conversation.tools.into_iter().map(Tool::from).collect(),
                choice: conversation.tool_choice.into(),
                parallel: conversation.parallel_tool_calls,
            },
            template_tools: None,
            variables: conversation.variables,
            reading: Reading::Events,
        }
    }
}

impl From<wit::Message> for Message {
    fn from(message: wit::Message) -> Self {
        let calls = message.tool_calls.into_iter();
        Self {
            role: match message.role {
                wit::Role::System => Role::System,
                wit::Role::Developer => Role::Developer,
                wit::Role::User => Role::User,
                wit::Role::Assistant => Role::Assistant,
                wit::Role::Tool => Role::Tool,
            },
            content: message.content.into_iter().map(Part::from).collect(),
            reasoning: message.reasoning,
            tool_calls: calls.map(ToolCall::from).collect(),
            tool_call_id: message.tool_call_id,
            name: message.name,
            fields: message.fields,
        }
    }
}

impl From<wit::Part> for Part {
    fn from(part: wit::Part) -> Self {
        match part {
            wit::Part::Text(text) => Self::Text(text),
            wit::Part::Image(media) => Self::Image(media.into()),
            wit::Part::Audio(media) => Self::Audio(media.into()),
        }
    }
}

impl From<wit::Media> for Media {
    fn from(media: wit::Media) -> Self {
        Self {
            media_type: media.media_type,
            bytes: media.bytes,
        }
    }
}

impl From<wit::ToolCall> for ToolCall {
    fn from(call: wit::ToolCall) -> Self {
        Self {
            id: call.id,
            name: call.name,
            arguments: call.arguments,
        }
    }
}

impl From<wit::Tool> for Tool {
    fn from(tool: wit::Tool) -> Self {
        Self {
            name: tool.name,
            description: tool.description,
            parameters: tool.parameters,
            strict: tool.strict,
        }
    }
}

impl From<wit::ToolChoice> for ToolChoice {
    fn from(choice: wit::ToolChoice) -> Self {
        match choice {
            wit::ToolChoice::Auto => Self::Auto,
            wit::ToolChoice::None => Self::None,
            wit::ToolChoice::Required => Self::Required,
            wit::ToolChoice::Named(name) => Self::Named(name),
        }
    }
}
