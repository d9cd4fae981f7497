//! From a prompt to checked tokens, on the caller's thread.

use llama_cpp_2::token::LlamaToken;

use super::Inner;
use super::chat::{Part, Rendered};
use crate::{Conversation, Error, Prompt, Result};

impl Inner {
    /// The tokens of a prompt: at least one, all in the vocabulary, and fewer than the context holds.
    pub(super) fn tokens(&self, prompt: Prompt) -> Result<Vec<LlamaToken>> {
        let tokens = match prompt {
            Prompt::Text(text) => self.tokenize(&text)?,
            Prompt::Messages(conversation) => self.render(&conversation)?,
            Prompt::Tokens(ids) => self.known(&ids)?,
        };
        let context = self.info.context_size;
        if tokens.is_empty() {
            Err(Error::EmptyPrompt)
        } else if tokens.len() >= context as usize {
            Err(Error::PromptTooLong {
                prompt: tokens.len(),
                context,
            })
        } else {
            Ok(tokens)
        }
    }

    fn render(&self, conversation: &Conversation) -> Result<Vec<LlamaToken>> {
        if conversation.messages.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        self.check_bytes(conversation.bytes())?;
        let most = self.config.max_prompt_bytes as usize;
        let rendered = self.template.render(conversation, most, &self.llama);
        let rendered = rendered.map_err(|reason| Error::ChatTemplate {
            model: self.info.name.clone(),
            reason,
        })?;
        let parts = match rendered {
            Rendered::Text(text) => return self.tokenize(&text),
            Rendered::Parts(parts) => parts,
        };
        let vocabulary = self.llama.vocab();
        // What the tokenizer puts around every text: the begin token, then those that end one.
        let mut tokens = vocabulary.tokenize(b"", true, false);
        let begins = usize::from(vocabulary.should_add_bos()).min(tokens.len());
        let ends = tokens.split_off(begins);
        for part in parts {
            match part {
                Part::Control(token) => tokens.push(token),
                Part::Plain(text) => {
                    tokens.extend(vocabulary.tokenize(text.as_bytes(), false, false))
                }
            }
        }
        tokens.extend(ends);
        Ok(tokens)
    }

    fn tokenize(&self, text: &str) -> Result<Vec<LlamaToken>> {
        if text.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        self.check_bytes(text.len() as u64)?;
        // Special tokens in the text count as such: guests that format their own chat prompts rely on it, as they do
        // with llama.cpp's server.
        Ok(self.llama.vocab().tokenize(text.as_bytes(), true, true))
    }

    fn check_bytes(&self, bytes: u64) -> Result<()> {
        let limit = u64::from(self.config.max_prompt_bytes);
        if bytes > limit {
            return Err(Error::PromptTooLarge { bytes, limit });
        }
        Ok(())
    }

    fn known(&self, ids: &[u32]) -> Result<Vec<LlamaToken>> {
        // A token is four bytes here and there; the bound on text bounds them too.
        self.check_bytes(size_of_val(ids) as u64)?;
        ids.iter()
            .enumerate()
            .map(|(index, &token)| {
                i32::try_from(token)
                    .ok()
                    .filter(|_| token < self.info.vocabulary)
                    .map(LlamaToken)
                    .ok_or(Error::UnknownToken {
                        token,
                        index,
                        last: self.info.vocabulary.saturating_sub(1),
                    })
            })
            .collect()
    }
}
