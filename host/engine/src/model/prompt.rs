//! Converts a prompt to checked tokens, on a preparing thread.

use std::sync::Arc;

use mynah_chat::{Part, Rendered};
use mynah_core::{Conversation, Error, Prompt, Result, TokenId};
use mynah_settings::Effective;

use super::fit::{Bounds, Fitted, Past};
use super::loaded::Loaded;
use super::vocabulary::ModelVocabulary;

impl Loaded {
    /// The tokens of a prompt: at least one, all in the vocabulary, and together with `after` more
    /// at most as many as fit into the context.
    pub(super) fn tokens(&self, prompt: &Prompt, after: usize) -> Result<Vec<TokenId>> {
        let context = self.known.about.info.context_size;
        let tokens = self.all_tokens(prompt, Some(context))?;
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
        if !settings.memory.context_shifting {
            return Ok(Fitted {
                tokens: self.tokens(&prompt, 1)?,
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
            return bounds.text(self.all_tokens(&prompt, None)?, begins, past);
        };
        self.check_bytes(conversation.bytes())?;
        bounds.chat(&conversation.messages, past, |left_out| {
            let messages = &conversation.messages;
            let before = messages.get(..left_out.start).unwrap_or_default();
            let after = messages.get(left_out.end..).unwrap_or_default();
            let rest = Conversation {
                messages: [before, after].concat(),
                tools: conversation.tools.clone(),
                variables: conversation.variables.clone(),
            };
            self.render(&rest, None)
        })
    }

    /// The prompt's tokens. If they must fit a context, a prompt that is far too long is refused
    /// before it is tokenised.
    fn all_tokens(&self, prompt: &Prompt, context: Option<u32>) -> Result<Vec<TokenId>> {
        let tokens = match prompt {
            Prompt::Text(text) => self.tokenize(text, context)?,
            Prompt::Messages(conversation) => self.render(conversation, context)?,
            Prompt::Tokens(ids) => self.known(ids)?,
        };
        if tokens.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        Ok(tokens)
    }

    fn render(&self, conversation: &Conversation, context: Option<u32>) -> Result<Vec<TokenId>> {
        if conversation.messages.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        self.check_bytes(conversation.bytes())?;
        let most = self.known.config.max_prompt_bytes as usize;
        let vocabulary = ModelVocabulary(Arc::clone(&self.llama));
        let rendered = self.template.render(conversation, most, &vocabulary);
        let rendered = rendered.map_err(|error| Error::ChatTemplate {
            model: self.known.about.info.name.clone(),
            reason: error.to_string(),
        })?;
        let parts = match rendered {
            Rendered::Text(text) => return self.tokenize(&text, context),
            Rendered::Parts(parts) => parts,
        };
        if let Some(context) = context {
            let texts = parts.iter().filter_map(|part| match part {
                Part::Control(_) => None,
                Part::Plain(text) => Some(text.as_str()),
            });
            self.tokenizer.refuse_far_too_long(texts, context)?;
        }
        let vocabulary = self.llama.vocab();
        // The tokens that the tokenizer adds around every text: the begin token, then those at the
        // end.
        let mut tokens = vocabulary.tokenize(b"", true, false);
        let begins = usize::from(vocabulary.should_add_bos()).min(tokens.len());
        let ends = tokens.split_off(begins);
        for part in parts {
            match part {
                Part::Control(token) => tokens.push(token),
                Part::Plain(text) => tokens.extend(self.tokens_of(&text, false, false)?),
            }
        }
        tokens.extend(ends);
        Ok(tokens)
    }

    fn tokenize(&self, text: &str, context: Option<u32>) -> Result<Vec<TokenId>> {
        if text.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        self.check_bytes(text.len() as u64)?;
        if let Some(context) = context {
            let texts = std::iter::once(text);
            self.tokenizer.refuse_far_too_long(texts, context)?;
        }
        // Special tokens in the text are recognised: guests that format their own chat prompts rely
        // on it, as with llama.cpp's server.
        self.tokens_of(text, true, true)
    }

    fn tokens_of(&self, text: &str, add: bool, parse: bool) -> Result<Vec<TokenId>> {
        let has_memory = |bytes| self.queue.check_memory(bytes);
        self.tokenizer.tokenize(text, add, parse, has_memory)
    }

    pub(super) fn check_bytes(&self, bytes: u64) -> Result<()> {
        let limit = u64::from(self.known.config.max_prompt_bytes);
        if bytes > limit {
            return Err(Error::PromptTooLarge { bytes, limit });
        }
        Ok(())
    }

    fn known(&self, ids: &[u32]) -> Result<Vec<TokenId>> {
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
