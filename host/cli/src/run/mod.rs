//! `mynah run`: one component, its grants, and its exit code.

mod limiter;
mod state;

use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use mynah_engine::Registry;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::args::RunArgs;
use crate::config::{self, RunSettings};
use crate::{cache, component, models, output};
use state::State;

/// Exit code of a trap or a time-out: 128 + SIGABRT, as shells and wasmtime have it.
const TRAP: u8 = 134;

/// Time between two looks at whether a component that computes has to make way.
const EPOCH: Duration = Duration::from_millis(10);

/// How a run ended that the host didn't fail.
enum Ended {
    Exit(i32),
    Trap(anyhow::Error),
}

/// Runs the component.
pub(crate) fn run(args: &RunArgs) -> Result<ExitCode> {
    // The small files first: a mistake there need not wait for the models.
    let settings = config::settings(args)?;
    let bytes = component::read(args.component())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no threads for the runtime")?;
    let ended = runtime.block_on(async {
        let engine = engine()?;
        let command = link(&engine, &bytes, args)?;
        let models = models::load(&settings.models, &settings.model)?;
        let _ticker = Ticker::start(&engine)?;
        execute(&engine, &command, &models, args, &settings).await
    })?;
    // A component that never gives way may hold a runtime thread; the process ends all the same.
    runtime.shutdown_background();
    Ok(match ended {
        // Shells see eight bits, as of any process.
        Ended::Exit(code) => ExitCode::from(code.to_le_bytes()[0]),
        Ended::Trap(error) => {
            output::error(&error);
            ExitCode::from(TRAP)
        }
    })
}

fn engine() -> Result<Engine> {
    let mut config = Config::new();
    config.cache(cache::compiled_components());
    // Lets a component that loops be interrupted.
    config.epoch_interruption(true);
    Ok(Engine::new(&config)?)
}

/// Compiles the component, or takes it from the cache, and looks up all its imports.
fn link(engine: &Engine, bytes: &[u8], args: &RunArgs) -> Result<CommandPre<State>> {
    let shown = args.component().display();
    let spinner = models::spinner("compiling the component");
    let compiled = Component::from_binary(engine, bytes);
    spinner.finish_and_clear();
    let component =
        compiled.map_err(|error| anyhow!("{shown} is not a valid component: {error:#}"))?;
    let mut linker = Linker::<State>::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    mynah_wasi::add_to_linker(&mut linker)?;
    let linked = linker.instantiate_pre(&component).map_err(|error| {
        anyhow!("{shown} needs something that this host lacks: {error:#} (`mynah inspect` shows all its imports)")
    })?;
    CommandPre::new(linked)
        .map_err(|error| anyhow!("{shown} is not a command, it has no `wasi:cli/run`: {error:#}"))
}

async fn execute(
    engine: &Engine,
    command: &CommandPre<State>,
    models: &Registry,
    args: &RunArgs,
    settings: &RunSettings,
) -> Result<Ended> {
    let mut store = Store::new(engine, State::new(settings, args.arguments(), models)?);
    store.limiter(|state| &mut state.limiter);
    store.epoch_deadline_async_yield_and_update(1);
    let run = async {
        let instance = command.instantiate_async(&mut store).await?;
        instance.wasi_cli_run().call_run(&mut store).await
    };
    let ended = match settings.timeout {
        None => run.await,
        Some(limit) => match tokio::time::timeout(limit, run).await {
            Ok(ended) => ended,
            Err(_) => {
                let limit = humantime::format_duration(limit);
                return Ok(Ended::Trap(anyhow!(
                    "the component did not end within {limit}: raise --timeout if it should have longer"
                )));
            }
        },
    };
    Ok(match ended {
        Ok(Ok(())) => Ended::Exit(0),
        Ok(Err(())) => Ended::Exit(1),
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(exit) => Ended::Exit(exit.0),
            None => Ended::Trap(trap(store.data(), &error)),
        },
    })
}

/// What to say about a trap: the limit that was hit, else the trap's own words without the backtrace.
fn trap(state: &State, error: &wasmtime::Error) -> anyhow::Error {
    match state.limiter.refused() {
        Some(refused) => anyhow!("{refused}"),
        None => anyhow!("the component trapped: {}", error.root_cause()),
    }
}

/// Advances the engine's epoch from a thread of its own while it lives: a runtime thread may be the one that loops.
struct Ticker {
    // Dropping it ends the thread.
    _stop: mpsc::Sender<()>,
}

impl Ticker {
    fn start(engine: &Engine) -> Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let engine = engine.clone();
        std::thread::Builder::new()
            .name("mynah-epoch".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(EPOCH) == Err(RecvTimeoutError::Timeout) {
                    engine.increment_epoch();
                }
            })
            .context("no thread for the clock")?;
        Ok(Self { _stop: stop })
    }
}
