//! Conversations as JSON that a component can store.

pub(crate) mod base64;
pub(crate) mod content;
mod first;

use serde::{Deserialize, Serialize};

use crate::{Conversation, Error, Result};

/// Form that is written. A later one is refused; form 1 is that of the contract 0.1.
const FORM: u32 = 2;

/// The stored document. Its first key identifies the format.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved<C> {
    mynah_conversation: u32,
    conversation: C,
}

/// Only the form, which is checked before the rest is read.
#[derive(Deserialize)]
struct Versioned {
    mynah_conversation: u32,
}

pub(crate) fn write(conversation: &Conversation) -> String {
    let saved = Saved {
        mynah_conversation: FORM,
        conversation,
    };
    // Strings and lists of strings always serialize.
    serde_json::to_string(&saved).unwrap_or_default()
}

pub(crate) fn read(text: &str) -> Result<Conversation> {
    let not_one = |error: serde_json::Error| {
        Error::NotAConversation(format!(
            "this is not a saved conversation, or a damaged one: {error}. Begin a new one"
        ))
    };
    let Versioned { mynah_conversation } = serde_json::from_str(text).map_err(not_one)?;
    match mynah_conversation {
        1 => {
            let saved: Saved<first::Conversation> = serde_json::from_str(text).map_err(not_one)?;
            saved.conversation.into_current().map_err(|reason| {
                Error::NotAConversation(format!(
                    "this conversation was saved by an older component, with {reason}. Begin a \
                     new one"
                ))
            })
        }
        FORM => {
            let saved: Saved<Conversation> = serde_json::from_str(text).map_err(not_one)?;
            Ok(saved.conversation)
        }
        later => Err(Error::NotAConversation(format!(
            "this conversation was saved in form {later}, this component reads forms 1 to {FORM}: \
             build it with a newer mynah-guest"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::said::tests::call;
    use crate::{Message, Tool, ToolChoice};

    #[test]
    fn what_was_saved_is_read() {
        let conversation = Conversation::new([
            Message::system("Be \"brief\".\n"),
            Message::developer("Name sources."),
            Message::user("é 😀")
                .with_name("Ada")
                .with_image("image/png", [0, 255, 7])
                .with_audio("audio/wav", []),
            Message {
                content: Vec::new(),
                ..Message::assistant("")
            }
            .with_reasoning("Hm.")
            .with_tool_calls([call("1", "add", "{\"n\": 1}")]),
            Message::tool_result(&call("1", "add", ""), "7").with_fields(r#"{"x": 1}"#),
            Message::assistant(""),
        ])
        .tools([Tool::new("add", "Adds.").parameters("{}").strict(true)])
        .tool_choice(ToolChoice::Named("add".to_owned()))
        .parallel_tool_calls(false)
        .variables(r#"{"mood": "calm"}"#);
        assert_eq!(read(&write(&conversation)).unwrap(), conversation);
        let empty = Conversation::default();
        assert_eq!(read(&write(&empty)).unwrap(), empty);
    }

    #[test]
    fn its_form_is_fixed() {
        let text = concat!(
            r#"{"mynah_conversation":2,"conversation":{"messages":["#,
            r#"{"role":"user","content":"hi"},"#,
            r#"{"role":"user","content":[{"text":"a"},"#,
            r#"{"image":{"media_type":"image/png","bytes":"AQI="}}]}"#,
            r#"],"tool_choice":"auto","parallel_tool_calls":true}}"#
        );
        let messages = [
            Message::user("hi"),
            Message::user("a").with_image("image/png", [1, 2]),
        ];
        assert_eq!(write(&Conversation::new(messages)), text);
    }

    #[test]
    fn what_is_no_conversation_is_told() {
        for (text, words) in [
            ("", "not a saved conversation"),
            ("hello", "not a saved conversation"),
            ("{}", "mynah_conversation"),
            (r#"{"mynah_conversation": 3}"#, "form 3"),
            (
                r#"{"mynah_conversation": 2, "conversation": {"messages": [{"role": "bird", "content": ""}]}}"#,
                "bird",
            ),
            (
                r#"{"mynah_conversation": 2, "conversation": {"messages": ["#,
                "damaged",
            ),
            (
                r#"{"mynah_conversation": 2, "conversation": {"messages": []}, "more": 1}"#,
                "more",
            ),
            (
                r#"{"mynah_conversation": 2, "conversation": {"messages": [{"role": "user", "content": [{"image": {"media_type": "image/png", "bytes": "A?=="}}]}]}}"#,
                "base64",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(
                matches!(&error, Error::NotAConversation(message) if message.contains(words)),
                "{text}: {error}"
            );
        }
    }
}
