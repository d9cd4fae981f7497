//! A chat template, which converts a conversation to a prompt.

use std::sync::OnceLock;

use mynah_core::{Conversation, TokenId};

use super::control_tokens::{ControlTokens, Part};
use super::data::{Data, Object};
use super::{ChatError, Vocabulary, context, jinja};

/// A model's chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    pub(super) source: String,
    /// The template for conversations with tools, if the file has a separate one.
    pub(super) with_tools: Option<String>,
    pub(super) names: TokenNames,
    // The tokenizer adds it, so a template that also writes it would double it.
    pub(super) adds_bos: bool,
    // Built for the first message, because a vocabulary is large.
    pub(super) control_tokens: OnceLock<Result<ControlTokens, String>>,
}

/// Texts of the tokens that templates know by name; empty if the vocabulary has none.
#[derive(Debug, Default)]
pub(super) struct TokenNames {
    pub(super) bos: String,
    pub(super) eos: String,
    pub(super) pad: String,
    pub(super) sep: String,
}

/// A rendered prompt.
#[derive(Debug, PartialEq, Eq)]
pub enum Rendered {
    /// Text in which control tokens are recognised, because all of them are from the template.
    Text(String),
    /// The guest's text could be read as control tokens, so the parts are separate.
    Parts(Vec<Part>),
}

impl ChatTemplate {
    /// Creates a template, with a separate one for conversations with tools if the file has one.
    /// Templates are parsed when they are used, so a model with a malformed template still accepts
    /// text.
    #[must_use]
    pub fn new(source: &str, with_tools: Option<&str>, vocabulary: &dyn Vocabulary) -> Self {
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
            control_tokens: OnceLock::new(),
        }
    }

    /// The prompt of a conversation, with a maximum size of `most` bytes.
    ///
    /// # Errors
    ///
    /// [`ChatError`], with the message of the template engine or of the template itself
    /// (`raise_exception`), or with the mistake in the guest's JSON.
    pub fn render(
        &self,
        conversation: &Conversation,
        most: usize,
        vocabulary: &dyn Vocabulary,
    ) -> Result<Rendered, ChatError> {
        let control_tokens = self
            .control_tokens
            .get_or_init(|| ControlTokens::of(vocabulary));
        let control_tokens = control_tokens.as_ref().map_err(ChatError::new)?;
        self.render_with(control_tokens, conversation, most)
            .map_err(ChatError::new)
    }

    pub(super) fn render_with(
        &self,
        control_tokens: &ControlTokens,
        conversation: &Conversation,
        most: usize,
    ) -> Result<Rendered, String> {
        let mut variables = context::variables(conversation)?;
        let mark = context::mark(&mut variables, control_tokens)?;
        let source = match &self.with_tools {
            Some(with_tools) if conversation.tools.is_some() => with_tools,
            _ => &self.source,
        };
        self.names.add_to(&mut variables);
        let bounds = jinja::Bounds {
            text: most,
            mark,
            now: None,
        };
        let text = jinja::render(source, &variables, &bounds)?;
        let text = match text.strip_prefix(&self.names.bos) {
            Some(rest) if self.adds_bos && !self.names.bos.is_empty() => rest.to_owned(),
            _ => text,
        };
        Ok(match mark {
            Some(mark) => Rendered::Parts(control_tokens.parts(&text, mark)),
            None => Rendered::Text(text),
        })
    }
}

impl TokenNames {
    fn add_to(&self, variables: &mut Object) {
        for (name, text) in [
            ("bos_token", &self.bos),
            ("eos_token", &self.eos),
            ("pad_token", &self.pad),
            ("sep_token", &self.sep),
        ] {
            variables.insert(name.to_owned(), Data::text(text.as_str()));
        }
    }
}
