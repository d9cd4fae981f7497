//! Chat templates: convert a conversation to a prompt of a model.
//!
//! [`ChatTemplate`] renders messages with the model's own Jinja template, like Hugging Face's
//! `apply_chat_template`, or with a built-in one. It separates the text of a guest from the control
//! tokens that the template writes. It needs no model: a [`Vocabulary`] describes the model's
//! tokens.

#![forbid(unsafe_code)]

mod adapt;
mod answers;
mod calls;
mod carried;
mod context;
mod control_tokens;
mod data;
mod error;
mod fallback;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzz;
mod jinja;
mod probe;
#[cfg(test)]
mod supported;
mod template;
#[cfg(test)]
mod tests;
mod thinking;
mod typed;
mod vocabulary;

pub use adapt::Moved;
pub use answers::{
    AnswerEnd, AnswerFormat, AnswerParser, Description, NotEnforced, Origin, Piece, Reasoning,
    Wanted,
};
pub use control_tokens::Part;
pub use error::ChatError;
pub use fallback::{built_in_source, for_vocabulary};
pub use template::{ChatTemplate, Rendered, Rendering};
pub use thinking::{ThinkingChoice, ThinkingChoices};
pub use vocabulary::Vocabulary;
