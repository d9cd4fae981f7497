//! Converts a prompt to checked tokens, on a preparing thread.

use std::sync::Arc;

use mynah_chat::{ChatError, Part, Rendered};
use mynah_core::{Conversation, Error, Prompt, Result, TokenId};
use mynah_settings::{Effective, Thinking};

use super::fit::{Bounds, Fitted, Past};
use super::loaded::Loaded;
use super::vocabulary::ModelVocabulary;

/// What the tokens of a prompt are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The model continues the prompt. An end token after it, which some tokenizers add
    /// (`tokenizer.ggml.add_eos_token`), would end the text that is to be continued.
    Continue,
    /// The model computes a vector of the prompt, with all tokens that its tokenizer adds: some
    /// models are trained to summarise a text in its last token.
    Vector,
}

impl Loaded {
    /// The tokens of a prompt: at least one, all in the vocabulary, and together with `after` more
    /// at most as many as fit into the context.
    pub(super) fn tokens(
        &self,
        prompt: &Prompt,
        after: usize,
        thinking: Option<Thinking>,
        purpose: Purpose,
    ) -> Result<Vec<TokenId>> {
        let context = self.known.about.info.context_size;
        let tokens = self.all_tokens(prompt, thinking, purpose, Some(context))?;
        if tokens.len() + after > context as usize {
            return Err(Error::PromptTooLong {
                prompt: tokens.len(),
                at_least: false,
                context,
            });
        }
        Ok(tokens)
    }

    /// The prompt's tokens, shortened to the context if the settings allow it, and what may be
    /// removed later.
    pub(super) fn fit(
        &self,
        prompt: Prompt,
        settings: &Effective,
        past: &mut Past,
    ) -> Result<Fitted<TokenId>> {
        let thinking = settings.reasoning.thinking;
        if !settings.memory.context_shifting {
            return Ok(Fitted {
                tokens: self.tokens(&prompt, 1, thinking, Purpose::Continue)?,
                trim_policy: None,
                forgotten: 0,
            });
        }
        let bounds = Bounds {
            context: self.known.about.info.context_size,
            max_tokens: settings.stopping.max_tokens,
            n_keep: settings.memory.n_keep,
        };
        let Prompt::Messages(conversation) = prompt else {
            let begins = u32::from(self.llama.vocab().should_add_bos());
            let tokens = self.all_tokens(&prompt, thinking, Purpose::Continue, None)?;
            return bounds.text(tokens, begins, past);
        };
        self.check_bytes(conversation.bytes())?;
        bounds.chat(&conversation.messages, past, |left_out| {
            let messages = &conversation.messages;
            let before = messages.get(..left_out.start).unwrap_or_default();
            let after = messages.get(left_out.end..).unwrap_or_default();
            let rest = Conversation {
                messages: [before, after].concat(),
                ..conversation.without_messages()
            };
            self.render(&rest, thinking, Purpose::Continue, None)
        })
    }

    /// The prompt's tokens. If they must fit a context, a prompt that is far too long is refused
    /// before it is tokenised.
    fn all_tokens(
        &self,
        prompt: &Prompt,
        thinking: Option<Thinking>,
        purpose: Purpose,
        context: Option<u32>,
    ) -> Result<Vec<TokenId>> {
        let tokens = match prompt {
            Prompt::Text(text) => self.tokenize(text, purpose, context)?,
            Prompt::Messages(conversation) => {
                self.render(conversation, thinking, purpose, context)?
            }
            Prompt::Tokens(ids) => self.known_tokens(ids)?,
        };
        if tokens.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        Ok(tokens)
    }

    fn render(
        &self,
        conversation: &Conversation,
        thinking: Option<Thinking>,
        purpose: Purpose,
        context: Option<u32>,
    ) -> Result<Vec<TokenId>> {
        if conversation.messages.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        self.check_bytes(conversation.bytes())?;
        let most = self.known.config.max_prompt_bytes as usize;
        let vocabulary = ModelVocabulary(Arc::clone(&self.llama));
        let rendered = self
            .template
            .render(conversation, thinking, most, &vocabulary);
        let model = || self.known.about.info.name.clone();
        let rendered = rendered.map_err(|error| {
            let reason = error.to_string();
            match error {
                ChatError::Conversation(_) => Error::Conversation { reason },
                ChatError::UnsupportedPart { .. } | ChatError::UnsupportedThinking { .. } => {
                    Error::NotTaken {
                        model: model(),
                        reason,
                    }
                }
                _ => Error::ChatTemplate {
                    model: model(),
                    reason,
                },
            }
        })?;
        for moved in rendered.moved {
            // Once for each model.
            tracing::warn!(model = self.known.about.info.name, "{moved}");
        }
        let parts = match rendered.prompt {
            Rendered::Text(text) => return self.tokenize(&text, purpose, context),
            Rendered::Parts(parts) => parts,
        };
        if let Some(context) = context {
            let texts = parts.iter().filter_map(|part| match part {
                Part::Control(_) => None,
                Part::Plain(text) => Some(text.as_str()),
            });
            self.tokenizer.refuse_far_too_long(texts, context)?;
        }
        let (mut tokens, ends) = self.added(purpose);
        for part in parts {
            match part {
                Part::Control(token) => tokens.push(token),
                Part::Plain(text) => tokens.extend(self.tokens_of(&text, false, false)?),
            }
        }
        tokens.extend(ends);
        Ok(tokens)
    }

    /// The tokens around every text: the begin token, and those at the end.
    fn added(&self, purpose: Purpose) -> (Vec<TokenId>, Vec<TokenId>) {
        let vocabulary = self.llama.vocab();
        let mut begins = vocabulary.tokenize(b"", true, false);
        // A WordPiece tokenizer adds its begin token whatever the file says.
        let has_begin = vocabulary.should_add_bos() || begins.len() > 1;
        let begin = usize::from(has_begin).min(begins.len());
        let ends = begins.split_off(begin);
        match purpose {
            Purpose::Continue => (begins, Vec::new()),
            Purpose::Vector => (begins, ends),
        }
    }

    fn tokenize(&self, text: &str, purpose: Purpose, context: Option<u32>) -> Result<Vec<TokenId>> {
        if text.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        self.check_bytes(text.len() as u64)?;
        if let Some(context) = context {
            let texts = std::iter::once(text);
            self.tokenizer.refuse_far_too_long(texts, context)?;
        }
        let (mut tokens, ends) = self.added(purpose);
        // Special tokens in the text are recognised: guests that format their own chat prompts rely
        // on it, as with llama.cpp's server.
        tokens.extend(self.tokens_of(text, false, true)?);
        tokens.extend(ends);
        Ok(tokens)
    }

    fn tokens_of(&self, text: &str, add: bool, parse: bool) -> Result<Vec<TokenId>> {
        let has_memory = |bytes| self.queue.check_memory(bytes);
        self.tokenizer.tokenize(text, add, parse, has_memory)
    }

    /// The text of tokens, with the texts of control tokens.
    pub(super) fn written(&self, tokens: &[TokenId]) -> String {
        String::from_utf8_lossy(&self.bytes_of(tokens, true)).into_owned()
    }

    /// The bytes of tokens, with those of the names of control tokens if `control` is true.
    pub(super) fn bytes_of(&self, tokens: &[TokenId], control: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        for &token in tokens {
            self.llama.vocab().piece(token, &mut bytes, control);
        }
        bytes
    }

    pub(super) fn check_bytes(&self, bytes: u64) -> Result<()> {
        let limit = u64::from(self.known.config.max_prompt_bytes);
        if bytes > limit {
            return Err(Error::PromptTooLarge { bytes, limit });
        }
        Ok(())
    }

    /// The ids as tokens of the vocabulary.
    pub(super) fn known_tokens(&self, ids: &[u32]) -> Result<Vec<TokenId>> {
        // A token has four bytes. The limit for text applies to token ids, too.
        self.check_bytes(size_of_val(ids) as u64)?;
        ids.iter()
            .enumerate()
            .map(|(index, &token)| {
                i32::try_from(token)
                    .ok()
                    .filter(|_| token < self.known.about.info.vocabulary)
                    .map(TokenId)
                    .ok_or(Error::UnknownToken {
                        token,
                        index,
                        last: self.known.about.info.vocabulary.saturating_sub(1),
                    })
            })
            .collect()
    }
}
