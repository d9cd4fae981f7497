//! Conversations as JSON that a component can store.

use serde::{Deserialize, Serialize};

use crate::{Conversation, Error, Result};

/// Version of the format. A later version is refused.
const VERSION: u32 = 1;

/// The stored document. Its first key identifies the format.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved<C> {
    mynah_conversation: u32,
    conversation: C,
}

/// Only the version, which is checked before the rest is read.
#[derive(Deserialize)]
struct Versioned {
    mynah_conversation: u32,
}

pub(crate) fn write(conversation: &Conversation) -> String {
    let saved = Saved {
        mynah_conversation: VERSION,
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
    if mynah_conversation != VERSION {
        return Err(Error::NotAConversation(format!(
            "this conversation was saved in form {mynah_conversation}, this component reads form \
             {VERSION}: build it with a newer mynah-guest"
        )));
    }
    let saved: Saved<Conversation> = serde_json::from_str(text).map_err(not_one)?;
    Ok(saved.conversation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Message;

    #[test]
    fn what_was_saved_is_read() {
        let conversation = Conversation::new([
            Message::system("Be \"brief\".\n"),
            Message::user("é 😀"),
            Message::assistant("").with_fields(r#"{"tool_calls": []}"#),
            Message::tool("7"),
        ])
        .tools("[]")
        .variables(r#"{"mood": "calm"}"#);
        assert_eq!(read(&write(&conversation)).unwrap(), conversation);
        let empty = Conversation::default();
        assert_eq!(read(&write(&empty)).unwrap(), empty);
    }

    #[test]
    fn its_form_is_fixed() {
        let text = r#"{"mynah_conversation":1,"conversation":{"messages":[{"role":"user","content":"hi"}]}}"#;
        assert_eq!(write(&Conversation::new([Message::user("hi")])), text);
    }

    #[test]
    fn what_is_no_conversation_is_told() {
        for (text, words) in [
            ("", "not a saved conversation"),
            ("hello", "not a saved conversation"),
            ("{}", "mynah_conversation"),
            (r#"{"mynah_conversation": 2}"#, "form 2"),
            (
                r#"{"mynah_conversation": 1, "conversation": {"messages": [{"role": "bird", "content": ""}]}}"#,
                "bird",
            ),
            (
                r#"{"mynah_conversation": 1, "conversation": {"messages": ["#,
                "damaged",
            ),
            (
                r#"{"mynah_conversation": 1, "conversation": {"messages": []}, "more": 1}"#,
                "more",
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
