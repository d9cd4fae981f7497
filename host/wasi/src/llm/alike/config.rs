//! `mynah:llm/llm-config`: settings of an execution context.

use mynah_settings::{Level, SettingInForce};
use wasmtime::component::Resource;

use super::llm::errors::{Error, Problem};
use super::llm::llm_config as wit;
use super::settings;
use crate::{ExecutionContext, LlmCtxView};

impl wit::Host for LlmCtxView<'_> {
    async fn configure(
        &mut self,
        context: Resource<ExecutionContext>,
        settings: wit::Settings,
    ) -> wasmtime::Result<Result<(), Error>> {
        let settings = match settings::read(settings, self.ctx.max_priority) {
            Ok(settings) => settings,
            Err(error) => return Ok(Err(error.into())),
        };
        Ok(self
            .configure_context(&context, settings)?
            .map_err(Error::from))
    }

    async fn configure_json(
        &mut self,
        context: Resource<ExecutionContext>,
        json: String,
        strict: bool,
    ) -> wasmtime::Result<Result<Vec<Problem>, Error>> {
        let (settings, warnings) = match self.read_document(&json, strict) {
            Ok(read) => read,
            Err(error) => return Ok(Err(error.into())),
        };
        let set = self.configure_context(&context, settings)?;
        Ok(set.map(|()| problems(warnings)).map_err(Error::from))
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
        let (settings, warnings) = match self.read_document(&json, strict) {
            Ok(read) => read,
            Err(error) => return Ok(Err(error.into())),
        };
        let warnings = problems(warnings);
        let graph = self.load_by_name(&name, settings)?;
        Ok(graph
            .map(|graph| wit::ConfiguredGraph { graph, warnings })
            .map_err(Error::from))
    }
}

fn problems(found: Vec<mynah_settings::Problem>) -> Vec<Problem> {
    found.into_iter().map(Problem::from).collect()
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
