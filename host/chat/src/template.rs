//! Rendering messages with the model's own Jinja template, as Hugging Face's `apply_chat_template`
//! does.

mod context;
mod error;
mod fallback;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzz;
mod jinja;
mod specials;
#[cfg(test)]
mod tests;
mod vocabulary;

pub(crate) use error::ChatError;
pub(super) use fallback::{built_in_source, for_vocabulary};
pub(super) use specials::Part;
pub(crate) use vocabulary::Vocabulary;

use std::sync::OnceLock;

use crate::llama::TokenId;
use serde_json::{Map, Value as Json};

use crate::Conversation;
use specials::Specials;

/// A model's chat template.
#[derive(Debug)]
pub(super) struct ChatTemplate {
    source: String,
    /// The one for conversations with tools, where the file has one apart.
    with_tools: Option<String>,
    names: TokenNames,
    // The tokenizer adds it, so a template that writes it too would double it.
    adds_bos: bool,
    // Looked for when the first message comes: a vocabulary is large.
    specials: OnceLock<Result<Specials, String>>,
}

/// Texts of the tokens that templates know by name; empty where the vocabulary has none.
#[derive(Debug, Default)]
struct TokenNames {
    bos: String,
    eos: String,
    pad: String,
    sep: String,
}

/// A rendered prompt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rendered {
    /// Text in which control tokens count: all of them are the template's.
    Text(String),
    /// What a guest said could be read as control tokens, so the parts are told apart.
    Parts(Vec<Part>),
}

impl ChatTemplate {
    /// Takes a template, and the one for conversations with tools if the file has one. They are
    /// read when they are used: a model whose template is malformed can still be given text.
    pub(super) fn new(source: &str, with_tools: Option<&str>, vocabulary: &dyn Vocabulary) -> Self {
        let text = |token: Option<TokenId>| {
            let text = token.and_then(|token| vocabulary.written(token));
            text.map_or_else(String::new, |text| {
                String::from_utf8_lossy(&text).into_owned()
            })
        };
        Self {
            source: source.to_owned(),
            with_tools: with_tools.map(str::to_owned),
            names: TokenNames {
                bos: text(vocabulary.bos()),
                eos: text(vocabulary.eos()),
                pad: text(vocabulary.pad()),
                sep: text(vocabulary.sep()),
            },
            adds_bos: vocabulary.adds_bos(),
            specials: OnceLock::new(),
        }
    }

    /// The prompt of a conversation, of `most` bytes at most.
    ///
    /// # Errors
    ///
    /// [`ChatError`]: what the template engine said, or the template itself (`raise_exception`), or
    /// what is wrong with the guest's JSON.
    pub(super) fn render(
        &self,
        conversation: &Conversation,
        most: usize,
        vocabulary: &dyn Vocabulary,
    ) -> Result<Rendered, ChatError> {
        let specials = self.specials.get_or_init(|| Specials::of(vocabulary));
        let specials = specials.as_ref().map_err(ChatError::new)?;
        self.render_with(specials, conversation, most)
            .map_err(ChatError::new)
    }

    fn render_with(
        &self,
        specials: &Specials,
        conversation: &Conversation,
        most: usize,
    ) -> Result<Rendered, String> {
        let mut variables = context::variables(conversation)?;
        let mark = context::mark(&mut variables, specials)?;
        let source = match &self.with_tools {
            Some(with_tools) if conversation.tools.is_some() => with_tools,
            _ => &self.source,
        };
        self.names.add_to(&mut variables);
        let bounds = jinja::Bounds { text: most, mark };
        let text = jinja::render(source, &variables, bounds)?;
        let text = match text.strip_prefix(&self.names.bos) {
            Some(rest) if self.adds_bos && !self.names.bos.is_empty() => rest.to_owned(),
            _ => text,
        };
        Ok(match mark {
            Some(mark) => Rendered::Parts(specials.parts(&text, mark)),
            None => Rendered::Text(text),
        })
    }
}

impl TokenNames {
    fn add_to(&self, variables: &mut Map<String, Json>) {
        for (name, text) in [
            ("bos_token", &self.bos),
            ("eos_token", &self.eos),
            ("pad_token", &self.pad),
            ("sep_token", &self.sep),
        ] {
            variables.insert(name.to_owned(), Json::String(text.clone()));
        }
    }
}
