//! The data of a running guest's store: WASI, its models and its limits. Components and core
//! modules share it.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use mynah_core::{GuestLoader, Owner, Registry};
use mynah_engine::GgufLoader;
use mynah_engine::model::{BACKEND, build};
use mynah_isolate::{Identity, IsolatedLoader};
use mynah_wasi::{GuestModels, LlmCtx, LlmCtxView, LlmView};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};

use super::guest_output::GuestOutput;
use super::hints::Hints;
use super::limiter::Limiter;
use crate::args::Compat;
use crate::config::{INSTANCE, RunSettings};

/// Maximum number of component handles that a guest holds. A handle costs the host a few hundred
/// bytes.
const MAX_RESOURCES: usize = 100_000;

/// The data of a running guest's store.
pub(crate) struct State {
    /// WASI for both kinds, with the table of handles.
    wasi: WasiP1Ctx,
    llm: LlmCtx,
    pub(crate) limiter: Limiter,
    pub(super) hints: Hints,
}

impl State {
    /// The data for one instance. `number` is its number if there are several.
    pub(crate) fn new(
        settings: &RunSettings,
        arguments: &[String],
        models: &Registry,
        number: Option<u32>,
    ) -> Result<Self> {
        let mut wasi = wasi(settings, arguments, number)?;
        wasi.ctx().table.set_max_capacity(MAX_RESOURCES);
        Ok(Self {
            wasi,
            llm: llm(settings, models)?,
            limiter: Limiter::new(settings.max_memory),
            hints: Hints::default(),
        })
    }

    /// Prints the hints for a guest that has failed.
    pub(super) fn tell_hints(&self) {
        self.hints.tell(self.llm.unknown_models() > 0);
    }

    /// WASI preview 1, for core modules.
    pub(super) fn preview1(&mut self) -> &mut WasiP1Ctx {
        &mut self.wasi
    }
}

fn wasi(settings: &RunSettings, arguments: &[String], number: Option<u32>) -> Result<WasiP1Ctx> {
    let mut wasi = WasiCtx::builder();
    wasi.inherit_stdin()
        .stdout(GuestOutput::Stdout)
        .stderr(GuestOutput::Stderr);
    wasi.args(arguments);
    for variable in &settings.env {
        wasi.env(&variable.key, &variable.value);
    }
    if let Some(number) = number {
        wasi.env(INSTANCE, number.to_string());
    }
    for dir in &settings.dirs {
        wasi.preopened_dir(&dir.host, &dir.guest, FsPerms::ReadWrite)
            .map_err(|error| {
                anyhow!(
                    "the folder {} can't be granted: {error:#}",
                    dir.host.display()
                )
            })?;
    }
    Ok(wasi.build_p1())
}

fn llm(settings: &RunSettings, models: &Registry) -> Result<LlmCtx> {
    let owner = settings.owner.as_deref();
    let owner = owner.map_or_else(Owner::unique, Owner::named);
    let mut llm = LlmCtx::builder()
        .models(models)
        .owner(owner.with_weight(settings.weight))
        .max_priority(settings.max_priority)
        .host_status(settings.allow_host_status)
        .stdout(GuestOutput::Stdout)
        .lenient_output_size(settings.compat.contains(&Compat::LenientOutputSize));
    if let Some(size) = settings.allow_guest_models {
        llm = llm.guest_models(GuestModels {
            max_bytes: size.as_u64(),
            ..GuestModels::new(guest_loader(settings)?)
        });
    }
    Ok(llm.build())
}

/// Loads the guest's own models: in processes of their own, unless the operator chose otherwise.
fn guest_loader(settings: &RunSettings) -> Result<Arc<dyn GuestLoader>> {
    let here = Arc::new(GgufLoader {
        config: settings.model.clone(),
        observer: settings.observer.clone(),
    });
    let Some(processes) = &settings.guest_processes else {
        return Ok(here);
    };
    let backend = Identity {
        backend: BACKEND,
        build: build(),
    };
    let isolated = IsolatedLoader::new(here, settings.model.clone(), processes.clone(), backend)?;
    Ok(Arc::new(isolated.with_observer(settings.observer.clone())))
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi.ctx()
    }
}

impl LlmView for State {
    fn llm(&mut self) -> LlmCtxView<'_> {
        LlmCtxView {
            ctx: &mut self.llm,
            table: self.wasi.ctx().table,
        }
    }
}
