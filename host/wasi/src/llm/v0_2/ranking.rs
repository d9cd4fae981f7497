//! `mynah:llm/ranking`: scores of documents for a query.

use wasmtime::component::Resource;

use super::llm::errors::Error;
use super::llm::ranking::{Host, Scores};
use super::llm::settings::Settings as WitSettings;
use super::settings;
use crate::{ExecutionContext, LlmCtxView};

impl Host for LlmCtxView<'_> {
    async fn rank(
        &mut self,
        context: Resource<ExecutionContext>,
        query: String,
        documents: Vec<String>,
        settings: WitSettings,
    ) -> wasmtime::Result<Result<Scores, Error>> {
        let settings = match settings::read(settings, self.ctx.max_priority) {
            Ok(settings) => settings,
            Err(error) => return Ok(Err(error.into())),
        };
        let session = &mut self.table.get_mut(&context)?.session;
        let ranked = session.rank(&query, &documents, settings).await;
        Ok(match ranked {
            Ok(ranked) => Ok(Scores {
                scores: ranked.scores,
                prompt_tokens: ranked.prompt_tokens,
            }),
            Err(error) => Err(error.into()),
        })
    }
}
