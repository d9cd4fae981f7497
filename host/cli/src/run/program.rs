//! A compiled and linked guest: a component or a core module.

use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use wasmtime::component::Component;
use wasmtime::{Engine, ExternType, InstancePre, Module, Store};
use wasmtime_wasi::p2::bindings::CommandPre;

use super::state::State;
use crate::guest::Kind;
use crate::{inspect, models, output};

/// A compilation that takes longer than this is mentioned.
const LONG: Duration = Duration::from_secs(2);

/// The start function of a module.
const START: &str = "_start";

/// A guest that can be instantiated many times.
#[derive(Clone)]
pub(super) enum Program {
    Component(CommandPre<State>),
    Module(InstancePre<State>),
}

impl Program {
    /// Compiles a guest or takes it from the cache, and links all its imports.
    pub(super) fn link(engine: &Engine, kind: Kind, bytes: &[u8], path: &Path) -> Result<Self> {
        inspect::check_imports(kind, bytes, path)?;
        match kind {
            Kind::Component => component(engine, bytes, path).map(Self::Component),
            Kind::Module => module(engine, bytes, path).map(Self::Module),
        }
    }

    /// The name of its kind in messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Component(_) => Kind::Component,
            Self::Module(_) => Kind::Module,
        }
        .name()
    }

    /// Runs the guest to its end. The inner result is the guest's own; the outer one is a trap or
    /// an exit.
    pub(super) async fn run(&self, store: &mut Store<State>) -> wasmtime::Result<Result<(), ()>> {
        match self {
            Self::Component(command) => {
                let instance = command.instantiate_async(&mut *store).await?;
                instance.wasi_cli_run().call_run(&mut *store).await
            }
            Self::Module(module) => {
                let instance = module.instantiate_async(&mut *store).await?;
                let start = instance.get_typed_func::<(), ()>(&mut *store, START)?;
                start.call_async(&mut *store, ()).await?;
                Ok(Ok(()))
            }
        }
    }
}

/// The error for an import that the host does not have.
fn lacks(path: &Path, error: &wasmtime::Error) -> anyhow::Error {
    anyhow!(
        "{} needs something that this host lacks: {error:#} (`mynah inspect` shows all its \
         imports)",
        path.display()
    )
}

/// Compiles a guest. If that takes long, says so, also where no spinner is shown.
fn compile<T>(kind: Kind, path: &Path, compile: impl FnOnce() -> T) -> T {
    let name = kind.name();
    let spinner = models::spinner(format!("compiling the {name}"));
    let text = format!("compiling the {name} {} takes a while", path.display());
    let (done, is_done) = mpsc::channel::<()>();
    std::thread::scope(|threads| {
        let (text, spinner) = (&text, &spinner);
        // If there is no thread for it, nothing is said.
        let teller = std::thread::Builder::new().spawn_scoped(threads, move || {
            if is_done.recv_timeout(LONG) == Err(RecvTimeoutError::Timeout) {
                spinner.suspend(|| output::note(text));
            }
        });
        drop(teller);
        let compiled = compile();
        drop(done);
        spinner.finish_and_clear();
        compiled
    })
}

fn component(engine: &Engine, bytes: &[u8], path: &Path) -> Result<CommandPre<State>> {
    let shown = path.display();
    let compiled = compile(Kind::Component, path, || {
        Component::from_binary(engine, bytes)
    });
    let component =
        compiled.map_err(|error| anyhow!("{shown} is not a valid component: {error:#}"))?;
    let mut linker = wasmtime::component::Linker::<State>::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    mynah_wasi::add_to_linker(&mut linker)?;
    let linked = linker
        .instantiate_pre(&component)
        .map_err(|error| lacks(path, &error))?;
    CommandPre::new(linked)
        .map_err(|error| anyhow!("{shown} is not a command, it has no `wasi:cli/run`: {error:#}"))
}

fn module(engine: &Engine, bytes: &[u8], path: &Path) -> Result<InstancePre<State>> {
    let shown = path.display();
    let compiled = compile(Kind::Module, path, || Module::from_binary(engine, bytes));
    let module =
        compiled.map_err(|error| anyhow!("{shown} is not a valid core module: {error:#}"))?;
    if !matches!(module.get_export(START), Some(ExternType::Func(_))) {
        bail!("{shown} is not a command, it exports no `{START}`: build a program, not a library");
    }
    let mut linker = wasmtime::Linker::<State>::new(engine);
    wasmtime_wasi::p1::add_to_linker_async(&mut linker, State::preview1)?;
    mynah_wasi::add_to_core_linker(&mut linker)?;
    linker
        .instantiate_pre(&module)
        .map_err(|error| lacks(path, &error))
}
