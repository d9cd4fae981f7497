//! `mynah:llm/llm-config`: settings of an execution context.

use mynah_settings::{Level, Reading, SettingInForce, Settings};
use wasmtime::component::Resource;

use crate::bindings::mynah::llm::errors::{Error, Problem};
use crate::bindings::mynah::llm::llm_config as wit;
use crate::{ExecutionContext, LlmCtxView};

impl LlmCtxView<'_> {
    /// Parses a guest's document, within the guest's limits. Returns the settings and the warnings.
    fn read(&self, json: &str, strict: bool) -> Result<(Settings, Vec<Problem>), Error> {
        let (settings, warnings) = Reading::json(json.as_bytes())
            .with_max_priority(self.ctx.max_priority)
            .for_guest(strict)?;
        Ok((settings, warnings.into_iter().map(Problem::from).collect()))
    }

    fn set(
        &mut self,
        context: &Resource<ExecutionContext>,
        settings: Settings,
    ) -> wasmtime::Result<Result<(), Error>> {
        if let Err(error) = settings.check_up_to(self.ctx.max_priority) {
            return Ok(Err(error.into()));
        }
        let session = &mut self.table.get_mut(context)?.session;
        Ok(session.configure(settings).map_err(Error::from))
    }
}

impl wit::Host for LlmCtxView<'_> {
    async fn configure(
        &mut self,
        context: Resource<ExecutionContext>,
        settings: wit::Settings,
    ) -> wasmtime::Result<Result<(), Error>> {
        self.set(&context, settings.into())
    }

    async fn configure_json(
        &mut self,
        context: Resource<ExecutionContext>,
        json: String,
        strict: bool,
    ) -> wasmtime::Result<Result<Vec<Problem>, Error>> {
        let (settings, warnings) = match self.read(&json, strict) {
            Ok(read) => read,
            Err(error) => return Ok(Err(error)),
        };
        Ok(self.set(&context, settings)?.map(|()| warnings))
    }

    async fn effective(
        &mut self,
        context: Resource<ExecutionContext>,
    ) -> wasmtime::Result<Result<Vec<wit::EffectiveSetting>, Error>> {
        let session = &self.table.get(&context)?.session;
        let all = session.effective().into_iter();
        Ok(Ok(all.map(wit::EffectiveSetting::from).collect()))
    }

    async fn load_by_name_with_config(
        &mut self,
        name: String,
        json: String,
        strict: bool,
    ) -> wasmtime::Result<Result<wit::ConfiguredGraph, Error>> {
        let (settings, warnings) = match self.read(&json, strict) {
            Ok(read) => read,
            Err(error) => return Ok(Err(error)),
        };
        let graph = self.load_by_name(&name, settings)?;
        Ok(graph
            .map(|graph| wit::ConfiguredGraph { graph, warnings })
            .map_err(Error::from))
    }
}

impl From<SettingInForce> for wit::EffectiveSetting {
    fn from(setting: SettingInForce) -> Self {
        Self {
            path: setting.path,
            value: setting.value.to_string(),
            origin: match setting.level {
                Level::Request => wit::Origin::Request,
                Level::Session => wit::Origin::Session,
                Level::Model => wit::Origin::Model,
                Level::File => wit::Origin::File,
                Level::Default => wit::Origin::Default,
            },
        }
    }
}
