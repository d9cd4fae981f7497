//! The error of rendering a conversation.

use mynah_core::ConversationError;
use mynah_settings::Thinking;

/// Why a conversation cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChatError {
    /// The message of the template engine or of the template itself (`raise_exception`), a mistake
    /// in the guest's JSON, or what would not reach the prompt.
    #[error("{0}")]
    Template(String),
    /// No template could render the conversation.
    #[error(transparent)]
    Conversation(#[from] ConversationError),
    /// A message has a part that is no text. Message and part are counted from 1.
    #[error(
        "part {part} of message {message} is {kind} ({}), and this model is given text only: \
         describe it in words, or use a model that takes such parts",
        media_type.escape_debug()
    )]
    UnsupportedPart {
        /// The number of the message.
        message: usize,
        /// The number of the part in it.
        part: usize,
        /// What it is: `an image` or `audio`.
        kind: &'static str,
        /// Its media type, shortened if it is long.
        media_type: String,
    },
    /// The template does not let thinking be chosen so.
    #[error(
        "thinking can't be `{}`: the model's chat template {}", wish.name(), advice(choices)
    )]
    UnsupportedThinking {
        /// What was asked for.
        wish: Thinking,
        /// What can be asked for.
        choices: Vec<Thinking>,
    },
}

fn advice(choices: &[Thinking]) -> String {
    let names = choices.iter().map(|choice| format!("`{}`", choice.name()));
    let names: Vec<String> = names.collect();
    match names.as_slice() {
        [] => "does not let it be chosen. Leave it out".to_owned(),
        names => format!(
            "knows {}. Ask for one of these, or leave it out",
            names.join(", ")
        ),
    }
}
