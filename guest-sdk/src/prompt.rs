//! Prompts: text, a conversation, or tokens.

use crate::bindings::mynah::llm::generation as wit;
use crate::{Conversation, Message};

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

impl From<Conversation> for Prompt {
    fn from(conversation: Conversation) -> Self {
        Self::Conversation(conversation)
    }
}

impl From<&Conversation> for Prompt {
    fn from(conversation: &Conversation) -> Self {
        Self::Conversation(conversation.clone())
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
            Prompt::Messages(messages) => Self::Conversation(Conversation::new(messages).into()),
            Prompt::Conversation(conversation) => Self::Conversation(conversation.into()),
            Prompt::Tokens(tokens) => Self::Tokens(tokens),
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
    fn messages_cross_as_a_conversation() {
        let crossed = wit::Prompt::from(Prompt::from(Message::user("hi")));
        assert!(
            matches!(&crossed, wit::Prompt::Conversation(of) if of.messages.len() == 1),
            "{crossed:?}"
        );
    }
}
