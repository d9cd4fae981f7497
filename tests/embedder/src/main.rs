//! A program that runs components with a model, as `docs/embedding.md` explains it:
//! `embedder MODEL.gguf GUEST.wasm [ARGUMENT]...`
//!
//! It depends on nothing but public crates, and is built without the settings of Mynah's workspace.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mynah_core::{Registry, load_async};
use mynah_engine::GgufFile;
use mynah_settings::ModelConfig;
use mynah_wasi::{LlmCtx, LlmCtxView, LlmView};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Config, Engine, Result, Store, StoreLimits, StoreLimitsBuilder, bail};
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// What a guest may use: its memory in bytes, and its time.
const MAX_MEMORY: usize = 256 << 20;
const MAX_TIME: Duration = Duration::from_secs(300);

/// How often a guest that computes gives other guests a turn.
const EPOCH: Duration = Duration::from_millis(10);

/// The state of one guest.
struct State {
    table: ResourceTable,
    wasi: WasiCtx,
    llm: LlmCtx,
    limits: StoreLimits,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl LlmView for State {
    fn llm(&mut self) -> LlmCtxView<'_> {
        LlmCtxView {
            ctx: &mut self.llm,
            table: &mut self.table,
        }
    }
}

fn main() -> Result<()> {
    // First, because it starts the program again. On an error, models are slow on busy cores.
    if let Err(error) = mynah_engine::bound_waiting() {
        eprintln!("compute threads spin for long: {error}");
    }
    run()
}

#[tokio::main]
async fn run() -> Result<()> {
    // The engine's warnings, such as that it was built for another CPU.
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(std::io::stderr)
        .init();
    let mut args = std::env::args().skip(1);
    let (Some(model), Some(guest)) = (args.next(), args.next()) else {
        bail!("usage: embedder MODEL.gguf GUEST.wasm [ARGUMENT]...");
    };

    // A registry loads a file once for all its names and threads. Loading blocks: not here.
    let registry = Registry::new();
    let file = GgufFile {
        path: PathBuf::from(model),
        config: ModelConfig {
            ctx_size: Some(1024),
            ..ModelConfig::default()
        },
    };
    let model = {
        let registry = registry.clone();
        let load = move |progress| registry.load("default", Arc::new(file), progress);
        load_async(load, |_share| ()).await?
    };

    let mut config = Config::new();
    config.epoch_interruption(true);
    let engine = Engine::new(&config)?;
    let ticks = engine.clone();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(EPOCH);
            ticks.increment_epoch();
        }
    });

    let mut linker = Linker::<State>::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    mynah_wasi::add_to_linker(&mut linker)?;
    let component = Component::from_file(&engine, &guest)?;
    let command = CommandPre::new(linker.instantiate_pre(&component)?)?;

    // One store for each guest. Any number of them share the model.
    let mut wasi = WasiCtx::builder();
    wasi.inherit_stdio().arg(&guest);
    args.for_each(|arg| {
        wasi.arg(arg);
    });
    let state = State {
        table: ResourceTable::new(),
        wasi: wasi.build(),
        llm: LlmCtx::builder().model("default", model).build(),
        limits: StoreLimitsBuilder::new().memory_size(MAX_MEMORY).build(),
    };
    let mut store = Store::new(&engine, state);
    store.limiter(|state| &mut state.limits);
    store.epoch_deadline_async_yield_and_update(1);

    let run = async {
        let command = command.instantiate_async(&mut store).await?;
        command.wasi_cli_run().call_run(&mut store).await
    };
    // Dropping the future ends the guest, and cancels what it has asked of the model.
    match tokio::time::timeout(MAX_TIME, run).await {
        Ok(ended) => match ended? {
            Ok(()) => Ok(()),
            Err(()) => bail!("the guest failed"),
        },
        Err(_) => bail!("the guest did not end within {MAX_TIME:?}"),
    }
}
