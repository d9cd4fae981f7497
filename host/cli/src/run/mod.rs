//! `mynah run`: runs a guest with its grants and instances, and returns the exit code.

mod backtrace;
mod ending;
mod guest_output;
mod hints;
mod instance;
mod limiter;
mod program;
mod state;
mod stop;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result};
use mynah_core::Registry;
use tokio::task::JoinSet;
use wasmtime::{Config, Engine, WasmBacktraceDetails};

use crate::args::{Control, LogArgs, RunArgs};
use crate::config::{self, RunSettings};
use crate::metrics::{self, Serving};
use crate::telemetry::Telemetry;
use crate::{cache, control, guest, logging, models, output};
use ending::Asked;
use hints::Hints;
use instance::Instance;
use program::Program;
use state::State;

/// Interval at which a computing guest is interrupted, so that others can run.
const EPOCH: Duration = Duration::from_millis(10);

/// Runs the guest.
pub(crate) fn run(args: &RunArgs, log: &LogArgs) -> Result<ExitCode> {
    // The configuration first, so that a mistake in it is reported before the models are loaded.
    let (mut settings, file) = config::settings(args, log)?;
    let _log = logging::start(&settings.log)?;
    file.tell();
    if settings.model.state_dir.is_some() && settings.owner.is_none() {
        output::warning(
            "nothing is saved to the state folder for the next run, because the component has no \
             owner: give it one with --owner",
        );
    }
    warn_of_writable_models(&settings);
    let (kind, bytes) = guest::read(args.guest())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime's threads can't be started")?;
    let telemetry = Arc::new(Telemetry::start()?);
    settings.observer = telemetry.observer();
    let (ended, _ending) = runtime.block_on(async {
        let engine = engine()?;
        let models = Registry::observed(settings.observer.clone());
        // First, so that the host answers while it compiles the guest and loads the models.
        let serving = Serving::new(&models, granted(&settings), args.guest());
        telemetry.watch(&serving)?;
        let mut open = Open::new(settings.control.as_ref(), &serving, &telemetry)?;
        let metrics = match settings.metrics {
            Some(address) => Some(metrics::serve(address, &serving).await?),
            None => None,
        };
        let program = Program::link(&engine, kind, &bytes, args.guest())?;
        models::load(&models, &settings)?;
        if let Some(metrics) = &metrics {
            // Last, because it says that everything is open. The system may have chosen the port.
            output::note(&format!("figures at http://{}/metrics", metrics.address));
        }
        let _ticker = Ticker::start(&engine)?;
        let instances = instances(&engine, &program, args, &settings, &models)?;
        let reload = || match config::reload(args, log) {
            Ok(answer) => output::note(&format!("SIGHUP: {answer}")),
            Err(error) => output::warning(&format!("SIGHUP: {error:#}")),
        };
        let ended = to_the_end(instances, &mut open.ending, &models, settings.grace, reload).await;
        stop::settle(&models).await;
        // Before the models are unloaded, because the last metrics describe them.
        telemetry.finish();
        anyhow::Ok((ended?, open.ending))
    })?;
    // A guest that never yields may hold a runtime thread; the process must end anyway.
    runtime.shutdown_background();
    match ended {
        Ended::Code(code) => Ok(ExitCode::from(code)),
        Ended::Stopped(stop) => {
            logging::finish();
            stop.end_process();
            Ok(ExitCode::FAILURE)
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy)]
enum Ended {
    /// All guests ended; this is the exit code.
    Code(u8),
    /// A signal ended it.
    Stopped(ending::Stop),
}

/// Runs all instances to their end, or until a signal ends them. No guest runs afterwards. Calls
/// `reload` on a signal that asks for that.
async fn to_the_end(
    instances: Vec<Instance>,
    ending: &mut ending::Ending,
    models: &Registry,
    grace: Duration,
    reload: impl Fn(),
) -> Result<Ended> {
    let mut guests = Box::pin(all(instances));
    let stop = loop {
        let asked = tokio::select! {
            code = &mut guests => return code.map(Ended::Code),
            asked = ending.asked() => asked,
        };
        match asked {
            Asked::Stop(stop) => break stop,
            Asked::Reload => reload(),
        }
    };
    // The exit code is that of the signal.
    let ended = async { drop(guests.as_mut().await) };
    stop::drain(stop, grace, models, ended).await;
    Ok(Ended::Stopped(stop))
}

/// Warns of granted folders in which the guest could change the file of a served model.
fn warn_of_writable_models(settings: &RunSettings) {
    for dir in &settings.dirs {
        let Ok(folder) = dir.host.canonicalize() else {
            continue;
        };
        for model in &settings.models {
            if model
                .path
                .canonicalize()
                .is_ok_and(|path| path.starts_with(&folder))
            {
                output::warning(&format!(
                    "the folder {}, which the guest may write to, holds the file of the model \
                     `{}`: a guest that changes the file makes the requests of all guests fail. \
                     Keep models in another folder",
                    dir.host.display(),
                    model.name
                ));
            }
        }
    }
}

/// The socket and the signal watch. Both are closed when the host ends.
struct Open {
    ending: ending::Ending,
    _socket: Option<control::Socket>,
}

impl Open {
    fn new(
        control: Option<&Control>,
        serving: &Arc<Serving>,
        telemetry: &Arc<Telemetry>,
    ) -> Result<Self> {
        let socket = control::open(control, serving)?;
        let file = socket.as_ref().map(|socket| socket.file().clone());
        let telemetry = Arc::clone(telemetry);
        let ending = ending::Ending::watch(move || {
            if let Some(file) = &file {
                file.remove();
            }
            telemetry.finish();
            logging::finish();
        })?;
        Ok(Self {
            ending,
            _socket: socket,
        })
    }
}

/// The names under which the guest may load models.
fn granted(settings: &RunSettings) -> Vec<String> {
    let models = settings.models.iter();
    models.map(|model| model.name.clone()).collect()
}

/// Creates all instances without starting them, so that a grant that fails is reported once and
/// before anything runs.
fn instances(
    engine: &Engine,
    program: &Program,
    args: &RunArgs,
    settings: &RunSettings,
    models: &Registry,
) -> Result<Vec<Instance>> {
    let count = settings.instances;
    let hints = Hints::new(args, settings);
    (0..count)
        .map(|number| {
            let number = (count > 1).then_some(number);
            let mut state = State::new(settings, args.arguments(), models, number)?;
            state.hints = hints.clone();
            let timeout = settings.timeout;
            Ok(Instance::new(engine, program, state, timeout, number))
        })
        .collect()
}

/// Runs all instances at once, each to its own end. The exit code is the first one, by instance
/// number, that is not 0. Dropping it ends those that still run.
async fn all(instances: Vec<Instance>) -> Result<u8> {
    let mut tasks = JoinSet::new();
    for (number, instance) in instances.into_iter().enumerate() {
        tasks.spawn(async move { (number, instance.run().await) });
    }
    let mut failed = None;
    while let Some(ended) = tasks.join_next().await {
        let (number, code) = ended.context("an instance failed in the host")?;
        if code != 0 {
            let first = failed.get_or_insert((number, code));
            *first = (*first).min((number, code));
        }
    }
    Ok(failed.map_or(0, |(_, code)| code))
}

fn engine() -> Result<Engine> {
    let mut config = Config::new();
    config.cache(cache::compiled_components());
    // Allows interrupting a guest that loops.
    config.epoch_interruption(true);
    // Files and lines at a trap, if the guest has debug information.
    config.wasm_backtrace_details(WasmBacktraceDetails::Enable);
    config.wasm_backtrace_max_frames(backtrace::COLLECTED);
    Ok(Engine::new(&config)?)
}

/// Advances the engine's epoch on its own thread, because a looping guest may occupy a runtime
/// thread.
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
            .context("the thread that interrupts guests can't be started")?;
        Ok(Self { _stop: stop })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use mynah_core::testing::Scripted;
    use mynah_core::{Error, Model};

    use super::*;
    use crate::args::{Cli, Command};
    use crate::guest::Kind;

    /// A core module that loads `default`, makes a context of it, asks it for an answer to "go on",
    /// and traps if that fails.
    const MODULE: &str = r#"(module
        (import "wasi_ephemeral_nn" "load_by_name" (func $load (param i32 i32 i32) (result i32)))
        (import "wasi_ephemeral_nn" "init_execution_context" (func $init (param i32 i32) (result i32)))
        (import "wasi_ephemeral_nn" "set_input" (func $set (param i32 i32 i32) (result i32)))
        (import "wasi_ephemeral_nn" "compute" (func $compute (param i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "default")
        (data (i32.const 32) "go on")
        ;; A tensor: its shape, its type u8, its data.
        (data (i32.const 64) "\54\00\00\00\01\00\00\00\03\00\00\00\20\00\00\00\05\00\00\00\01\00\00\00")
        (func (export "_start")
            (if (call $load (i32.const 0) (i32.const 7) (i32.const 16)) (then unreachable))
            (if (call $init (i32.load (i32.const 16)) (i32.const 20)) (then unreachable))
            (if (call $set (i32.load (i32.const 20)) (i32.const 0) (i32.const 64)) (then unreachable))
            (if (call $compute (i32.load (i32.const 20))) (then unreachable))))"#;

    /// Runs the module with this model as `default`, and gives its exit code and the host's status.
    fn run_with(model: Model) -> (u8, metrics::HostStatus) {
        let line = ["mynah", "run", "--no-config", "guest.wasm"];
        let cli = Cli::parse_from(line);
        let Command::Run(args) = cli.command else {
            panic!("`run` was parsed as something else");
        };
        let (settings, _) = config::settings(&args, &cli.log).unwrap();
        let models = Registry::new();
        models.insert("default", model).unwrap();
        let bytes = wat::parse_str(MODULE).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let engine = engine().unwrap();
            let program = Program::link(&engine, Kind::Module, &bytes, args.guest()).unwrap();
            let serving = Serving::new(&models, Vec::new(), args.guest());
            let instances = instances(&engine, &program, &args, &settings, &models).unwrap();
            let code = all(instances).await.unwrap();
            (code, serving.status())
        })
    }

    #[test]
    fn a_guest_runs_on_any_backend_and_its_work_is_in_the_status() {
        let (code, status) = run_with(Scripted::echo().into_model());
        assert_eq!(code, 0);
        let report = &status.models["default"];
        assert_eq!(report.queue.completed, 1);
        assert_eq!(report.model.backend, "scripted");
        let json = serde_json::to_value(&status).unwrap();
        let features = &json["models"]["default"]["model"]["features"];
        assert_eq!(features[0], "text");
    }

    #[test]
    fn a_guest_that_the_backend_refuses_fails_with_the_code_of_a_trap() {
        let (code, status) = run_with(
            Scripted::echo()
                .refusing(|| Error::Unavailable)
                .into_model(),
        );
        assert_eq!(code, 134);
        assert_eq!(status.models["default"].queue.refused, 1);
    }
}
