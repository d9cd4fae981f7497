//! What `mynah:llm` does, in the host's own types: each version of the interfaces calls it.

use std::time::Duration;

use mynah_core::{self as core, Prompt, Report};
use mynah_settings::{Problem, Reading, Settings, SettingsError};
use wasmtime::component::Resource;
use wasmtime_wasi_io::async_trait;
use wasmtime_wasi_io::poll::Pollable;

use crate::{ErrorCode, ExecutionContext, Generation, Graph, LlmCtxView, NnError};

#[async_trait]
impl Pollable for Generation {
    async fn ready(&mut self) {
        self.engine.ready().await;
    }
}

impl LlmCtxView<'_> {
    pub(super) async fn start_generation(
        &mut self,
        context: &Resource<ExecutionContext>,
        prompt: Prompt,
        settings: Settings,
    ) -> wasmtime::Result<core::Result<Resource<Generation>>> {
        let context = self.table.get_mut(context)?;
        let started = context.session.start(prompt, settings).await;
        let guest_model = context.guest_model.clone();
        Ok(match started {
            Ok(engine) => Ok(self.table.push(Generation {
                engine,
                _guest_model: guest_model,
            })?),
            Err(error) => Err(error),
        })
    }

    /// Parses a guest's document, within the guest's limits. Returns the settings and the warnings.
    pub(super) fn read_document(
        &self,
        json: &str,
        strict: bool,
    ) -> Result<(Settings, Vec<Problem>), SettingsError> {
        Reading::json(json.as_bytes())
            .with_max_priority(self.ctx.max_priority)
            .for_guest(strict)
    }

    /// Sets the settings of a context.
    pub(super) fn configure_context(
        &mut self,
        context: &Resource<ExecutionContext>,
        settings: Settings,
    ) -> wasmtime::Result<core::Result<()>> {
        let session = &mut self.table.get_mut(context)?.session;
        Ok(session.configure(settings))
    }
}

/// The refusal of figures that cover all guests.
const OF_ALL: &str = "these figures count what all guests do, and this component may not see them: \
    have the operator allow it (`--allow-host-status`)";

impl LlmCtxView<'_> {
    pub(super) fn report(&self, graph: &Resource<Graph>) -> wasmtime::Result<Report> {
        Ok(self.table.get(graph)?.model.report())
    }

    /// The model's own report, without figures about other guests unless the guest may see them.
    pub(super) fn model_report(
        &self,
        graph: &Resource<Graph>,
    ) -> wasmtime::Result<core::ModelReport> {
        let mut model = self.report(graph)?.model;
        if !self.ctx.host_status {
            model.requests_served = None;
            model.ignored_keys.clear();
        }
        Ok(model)
    }

    /// The whole report, if the guest may see it.
    pub(super) fn whole_report(
        &self,
        graph: &Resource<Graph>,
    ) -> wasmtime::Result<Result<Report, NnError>> {
        let report = self.report(graph)?;
        Ok(match self.ctx.host_status {
            true => Ok(report),
            false => Err(NnError::new(ErrorCode::UnsupportedOperation, OF_ALL)),
        })
    }

    /// The guest's own contexts of a model.
    pub(super) fn own_sessions(
        &self,
        graph: &Resource<Graph>,
    ) -> wasmtime::Result<Vec<core::SessionStatus>> {
        let model = &self.table.get(graph)?.model;
        let mut own = Vec::new();
        for rep in &self.ctx.held.contexts {
            let context = Resource::<ExecutionContext>::new_borrow(*rep);
            let session = &self.table.get(&context)?.session;
            if session.model().is_same(model) {
                own.push(session.status());
            }
        }
        Ok(own)
    }

    pub(super) fn sessions_status(
        &self,
        graph: &Resource<Graph>,
    ) -> wasmtime::Result<(Vec<core::SessionStatus>, Option<core::SessionsReport>)> {
        let own = self.own_sessions(graph)?;
        let report = self.report(graph)?;
        Ok((own, self.ctx.host_status.then_some(report.sessions)))
    }
}

/// A time in whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A time in whole microseconds.
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
