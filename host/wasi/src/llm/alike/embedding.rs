//! `mynah:llm/embedding`: texts as vectors.

use mynah_core::Prompt;
use wasmtime::component::Resource;

use super::llm::embedding::{Embeddings, Host};
use super::llm::errors::Error;
use super::llm::generation::Prompt as WitPrompt;
use super::llm::settings::Settings as WitSettings;
use super::settings;
use crate::{ExecutionContext, LlmCtxView};

impl Host for LlmCtxView<'_> {
    async fn embed(
        &mut self,
        context: Resource<ExecutionContext>,
        texts: Vec<WitPrompt>,
        settings: WitSettings,
    ) -> wasmtime::Result<Result<Embeddings, Error>> {
        let settings = match settings::read(settings, self.ctx.max_priority) {
            Ok(settings) => settings,
            Err(error) => return Ok(Err(error.into())),
        };
        let texts: Vec<Prompt> = texts.into_iter().map(Prompt::from).collect();
        let session = &mut self.table.get_mut(&context)?.session;
        let embeddings = session.embed(&texts, settings).await;
        Ok(match embeddings {
            Ok(embeddings) => Ok(Embeddings {
                vectors: embeddings.vectors,
                prompt_tokens: embeddings.prompt_tokens,
            }),
            Err(error) => Err(error.into()),
        })
    }
}
