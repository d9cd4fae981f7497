//! `mynah:llm/embedding`: texts as vectors.

use mynah_core::Prompt;
use mynah_settings::Settings;
use wasmtime::component::Resource;

use crate::bindings::mynah::llm::embedding::{Embeddings, Host};
use crate::bindings::mynah::llm::errors::Error;
use crate::bindings::mynah::llm::generation::Prompt as WitPrompt;
use crate::bindings::mynah::llm::settings::Settings as WitSettings;
use crate::{ExecutionContext, LlmCtxView};

impl Host for LlmCtxView<'_> {
    async fn embed(
        &mut self,
        context: Resource<ExecutionContext>,
        texts: Vec<WitPrompt>,
        settings: WitSettings,
    ) -> wasmtime::Result<Result<Embeddings, Error>> {
        let settings = Settings::from(settings);
        if let Err(error) = settings.check_up_to(self.ctx.max_priority) {
            return Ok(Err(error.into()));
        }
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
