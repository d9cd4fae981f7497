//! Text as the tokens of a model, and back.

use crate::bindings::mynah::llm::tokens;
use crate::{Prompt, Result, Session};

impl Session {
    /// The number of tokens of a prompt, with those that the chat template and the tokenizer add: a
    /// request with this prompt has it as [`Usage::prompt_tokens`](crate::Usage::prompt_tokens). A
    /// conversation may have tools and files.
    ///
    /// ```no_run
    /// # fn main() -> mynah_guest::Result<()> {
    /// # let mut session = mynah_guest::Model::load("default")?.session()?;
    /// while session.count_tokens(session.conversation())? > 3000 && session.forget() {}
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Session::stream`], but for the limits of the context and of the queue.
    pub fn count_tokens(&self, prompt: impl Into<Prompt>) -> Result<u32> {
        Ok(tokens::count(self.context(), &prompt.into().into())?)
    }

    /// The tokens of a prompt, with those that the chat template and the tokenizer add. Given as a
    /// prompt, they are the same request.
    ///
    /// # Errors
    ///
    /// As [`Session::count_tokens`].
    pub fn tokenise(&self, prompt: impl Into<Prompt>) -> Result<Vec<u32>> {
        Ok(tokens::tokenise(self.context(), &prompt.into().into())?)
    }

    /// The bytes of tokens, which may begin or end within a character. A control token has none,
    /// or its name with `control`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for a token that the model does
    /// not have.
    pub fn detokenise(&self, tokens: &[u32], control: bool) -> Result<Vec<u8>> {
        Ok(tokens::detokenise(self.context(), tokens, control)?)
    }
}
