//! `mynah:llm/generation`: starting and reading.

use mynah_core::Event;
use wasmtime::component::Resource;
use wasmtime_wasi_io::poll::{DynPollable, subscribe};

use super::llm::errors::Error;
use super::llm::generation as wit;
use super::settings;
use crate::{ExecutionContext, Generation, LlmCtxView};

impl wit::Host for LlmCtxView<'_> {
    async fn start(
        &mut self,
        context: Resource<ExecutionContext>,
        prompt: wit::Prompt,
        settings: wit::Settings,
    ) -> wasmtime::Result<Result<Resource<Generation>, Error>> {
        let settings = match settings::read(settings, self.ctx.max_priority) {
            Ok(settings) => settings,
            Err(error) => return Ok(Err(error.into())),
        };
        let started = self.start_generation(&context, prompt.into(), settings);
        Ok(started.await?.map_err(Error::from))
    }
}

impl wit::HostGeneration for LlmCtxView<'_> {
    async fn next(
        &mut self,
        generation: Resource<Generation>,
    ) -> wasmtime::Result<Result<Vec<wit::Event>, Error>> {
        let events = self.table.get_mut(&generation)?.engine.next().await;
        Ok(events.map(wit_events).map_err(Error::from))
    }

    async fn poll_next(
        &mut self,
        generation: Resource<Generation>,
    ) -> wasmtime::Result<Result<Option<Vec<wit::Event>>, Error>> {
        let events = self.table.get_mut(&generation)?.engine.try_next();
        Ok(events
            .map(|events| events.map(wit_events))
            .map_err(Error::from))
    }

    async fn subscribe(
        &mut self,
        generation: Resource<Generation>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, generation)
    }

    async fn cancel(&mut self, generation: Resource<Generation>) -> wasmtime::Result<()> {
        self.table.get(&generation)?.engine.cancel();
        Ok(())
    }

    async fn drop(&mut self, generation: Resource<Generation>) -> wasmtime::Result<()> {
        self.table.delete(generation)?;
        Ok(())
    }
}

fn wit_events(events: Vec<Event>) -> Vec<wit::Event> {
    events
        .into_iter()
        .filter_map(super::generation::event)
        .collect()
}

impl From<mynah_core::TokenProbs> for wit::TokenProbs {
    fn from(token: mynah_core::TokenProbs) -> Self {
        Self {
            chosen: token.chosen.into(),
            top: token.top.into_iter().map(wit::TokenProb::from).collect(),
        }
    }
}

impl From<mynah_core::TokenProb> for wit::TokenProb {
    fn from(token: mynah_core::TokenProb) -> Self {
        Self {
            id: token.id,
            bytes: token.bytes,
            log_prob: token.log_prob,
        }
    }
}
