//! Chat templates: from a conversation to the prompt of a model.
//!
//! [`ChatTemplate`] renders messages with the model's own Jinja template, as Hugging Face's
//! `apply_chat_template` does, or with a built-in one. It keeps the text of a guest apart from the
//! control tokens that the template writes. Pure: what a template needs of a model is a
//! [`Vocabulary`].

#![forbid(unsafe_code)]

mod context;
mod control_tokens;
mod error;
mod fallback;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzz;
mod jinja;
mod template;
#[cfg(test)]
mod tests;
mod vocabulary;

pub use control_tokens::Part;
pub use error::ChatError;
pub use fallback::{built_in_source, for_vocabulary};
pub use template::{ChatTemplate, Rendered};
pub use vocabulary::Vocabulary;
