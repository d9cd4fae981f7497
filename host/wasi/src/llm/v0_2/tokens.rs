//! `mynah:llm/tokens`: text as tokens, and back.

use wasmtime::component::Resource;

use super::llm::errors::Error;
use super::llm::generation::Prompt as WitPrompt;
use super::llm::tokens::Host;
use crate::{ExecutionContext, LlmCtxView};

impl LlmCtxView<'_> {
    async fn tokens_of(
        &mut self,
        context: &Resource<ExecutionContext>,
        prompt: WitPrompt,
    ) -> wasmtime::Result<Result<Vec<u32>, Error>> {
        let session = &self.table.get(context)?.session;
        Ok(session.tokens(prompt.into()).await.map_err(Error::from))
    }
}

impl Host for LlmCtxView<'_> {
    async fn tokenise(
        &mut self,
        context: Resource<ExecutionContext>,
        prompt: WitPrompt,
    ) -> wasmtime::Result<Result<Vec<u32>, Error>> {
        self.tokens_of(&context, prompt).await
    }

    async fn count(
        &mut self,
        context: Resource<ExecutionContext>,
        prompt: WitPrompt,
    ) -> wasmtime::Result<Result<u32, Error>> {
        let tokens = self.tokens_of(&context, prompt).await?;
        // Fits: a prompt is shorter than a context, which is counted in u32.
        Ok(tokens.map(|tokens| u32::try_from(tokens.len()).unwrap_or(u32::MAX)))
    }

    async fn detokenise(
        &mut self,
        context: Resource<ExecutionContext>,
        tokens: Vec<u32>,
        control: bool,
    ) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let session = &self.table.get(&context)?.session;
        let bytes = session.detokenise(tokens, control).await;
        Ok(bytes.map_err(Error::from))
    }
}
