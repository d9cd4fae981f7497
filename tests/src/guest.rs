//! Runs a guest in this process, as an embedder would.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use mynah_wasi::{LlmCtx, LlmCtxBuilder, LlmCtxView, LlmView};
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, InstancePre, Module, Store};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

/// Maximum output of a guest in bytes.
const MAX_OUTPUT: usize = 1 << 20;

/// A store's data.
#[expect(missing_debug_implementations, reason = "`WasiP1Ctx` has none")]
pub struct Host {
    // WASI for both kinds of guests, with the resource table.
    wasi: WasiP1Ctx,
    llm: LlmCtx,
}

impl Host {
    /// Creates the data.
    #[must_use]
    pub fn new(wasi: WasiP1Ctx, llm: LlmCtx) -> Self {
        Self { wasi, llm }
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi.ctx()
    }
}

impl LlmView for Host {
    fn llm(&mut self) -> LlmCtxView<'_> {
        LlmCtxView {
            ctx: &mut self.llm,
            table: self.wasi.ctx().table,
        }
    }
}

/// A function that adds further interfaces to a linker.
pub type AddToLinker = fn(&mut Linker<Host>) -> wasmtime::Result<()>;

/// A guest that is ready to run.
#[expect(missing_debug_implementations, reason = "`WasiCtxBuilder` has none")]
pub struct Guest {
    name: String,
    file: PathBuf,
    beside: AddToLinker,
    args: Vec<String>,
    wasi: WasiCtxBuilder,
    llm: LlmCtxBuilder,
}

/// How a guest ended.
#[derive(Debug)]
pub struct Ended {
    /// The guest's stdout.
    pub stdout: String,
    /// The guest's stderr.
    pub stderr: String,
    /// The exit code, or the trap.
    pub code: wasmtime::Result<i32>,
}

impl Guest {
    /// The test guest with this name, without grants.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::prebuilt(name, wasm(name))
    }

    /// The core module with this name, built for WASI preview 1, without grants.
    #[must_use]
    pub fn core(name: &str) -> Self {
        Self::prebuilt(name, cargo_component_wasm(name))
    }

    /// A guest from a file, without grants.
    #[must_use]
    pub fn prebuilt(name: &str, file: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            file,
            beside: |_| Ok(()),
            args: Vec::new(),
            wasi: WasiCtxBuilder::new(),
            llm: LlmCtx::builder(),
        }
    }

    /// Also links the interfaces that `add` adds.
    #[must_use]
    pub fn beside(mut self, add: AddToLinker) -> Self {
        self.beside = add;
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|&arg| arg.to_owned()));
        self
    }

    /// Changes the grants.
    #[must_use]
    pub fn grant(mut self, grant: impl FnOnce(LlmCtxBuilder) -> LlmCtxBuilder) -> Self {
        self.llm = grant(self.llm);
        self
    }

    /// Grants a model as `default`.
    #[must_use]
    pub fn model(self, model: mynah_core::Model) -> Self {
        self.grant(|llm| llm.model("default", model))
    }

    /// Grants a folder.
    ///
    /// # Panics
    ///
    /// The folder cannot be opened.
    #[must_use]
    #[expect(clippy::expect_used, reason = "test code, outside a #[test]")]
    pub fn dir(mut self, host: &std::path::Path, guest: &str) -> Self {
        self.wasi
            .preopened_dir(host, guest, FsPerms::ReadOnly)
            .expect("the folder opens");
        self
    }

    /// Runs the guest to its end.
    pub async fn run(self) -> Ended {
        let linked = if is_core(&self.file) {
            link_core(&self.file).map(Program::Core)
        } else {
            link(&component_file(&self.file), self.beside).map(Program::Component)
        };
        let (host, output) = self.prepare();
        let code = match linked {
            Ok(Program::Core(module)) => execute_core(&module, host).await,
            Ok(Program::Component(command)) => execute(&command, host).await,
            Err(error) => Err(error),
        };
        output.ended(code)
    }

    /// Starts the guest as a task. It is compiled already, so that many can start at once.
    #[must_use]
    pub fn spawn(self, program: &Started) -> Running {
        let command = program.0.clone();
        let (host, output) = self.prepare();
        Running {
            output,
            task: tokio::spawn(async move { execute(&command, host).await }),
        }
    }

    fn prepare(mut self) -> (Host, Output) {
        let output = Output::default();
        self.wasi
            .stdout(output.stdout.clone())
            .stderr(output.stderr.clone())
            .arg(&self.name)
            .args(&self.args);
        let llm = self.llm.stdout(output.stdout.clone()).build();
        (Host::new(self.wasi.build_p1(), llm), output)
    }

    /// Runs the guest and returns its stdout.
    ///
    /// # Panics
    ///
    /// The guest fails.
    #[expect(clippy::panic, reason = "test code, outside a #[test]")]
    pub async fn stdout(self) -> String {
        let name = self.name.clone();
        match self.run().await {
            Ended {
                stdout,
                code: Ok(0),
                ..
            } => stdout,
            ended => panic!("guest {name}: {ended:#?}"),
        }
    }
}

/// The output of a guest.
struct Output {
    stdout: MemoryOutputPipe,
    stderr: MemoryOutputPipe,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            stdout: MemoryOutputPipe::new(MAX_OUTPUT),
            stderr: MemoryOutputPipe::new(MAX_OUTPUT),
        }
    }
}

impl Output {
    fn ended(&self, code: wasmtime::Result<i32>) -> Ended {
        let text = |pipe: &MemoryOutputPipe| String::from_utf8_lossy(&pipe.contents()).into_owned();
        Ended {
            stdout: text(&self.stdout),
            stderr: text(&self.stderr),
            code,
        }
    }
}

/// A guest that runs as a task.
#[expect(missing_debug_implementations, reason = "`MemoryOutputPipe` has none")]
pub struct Running {
    output: Output,
    task: tokio::task::JoinHandle<wasmtime::Result<i32>>,
}

impl Running {
    /// Waits for the end of the guest.
    pub async fn ended(self) -> Ended {
        let code = self.task.await.unwrap_or_else(|error| Err(error.into()));
        self.output.ended(code)
    }

    /// Drops the guest's store with everything in it, wherever the guest is. The code says whether
    /// it had ended before.
    pub async fn stop(self) -> Ended {
        self.task.abort();
        self.ended().await
    }
}

/// A compiled and linked guest that can be started many times.
#[expect(missing_debug_implementations, reason = "`CommandPre` has none")]
pub struct Started(CommandPre<Host>);

impl Started {
    /// Compiles and links the guest with this name.
    ///
    /// # Errors
    ///
    /// It imports something that the host lacks.
    pub fn new(name: &str) -> wasmtime::Result<Self> {
        Ok(Self(link(&component(name), |_| Ok(()))?))
    }

    /// Creates a store and an instance in it.
    ///
    /// # Errors
    ///
    /// wasmtime fails.
    pub async fn instantiate(&self) -> wasmtime::Result<()> {
        let host = Host::new(WasiCtx::builder().build_p1(), LlmCtx::builder().build());
        self.0.instantiate_async(Store::new(engine(), host)).await?;
        Ok(())
    }
}

fn link(component: &Component, beside: AddToLinker) -> wasmtime::Result<CommandPre<Host>> {
    let mut linker = Linker::<Host>::new(engine());
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    mynah_wasi::add_to_linker(&mut linker)?;
    beside(&mut linker)?;
    CommandPre::new(linker.instantiate_pre(component)?)
}

/// A linked guest of either kind.
enum Program {
    Component(CommandPre<Host>),
    Core(InstancePre<Host>),
}

/// Whether a file is a core module. For a missing file the answer is no; the next reader reports
/// it.
fn is_core(file: &Path) -> bool {
    std::fs::read(file).is_ok_and(|bytes| bytes.starts_with(b"\0asm\x01\0\0\0"))
}

fn link_core(file: &Path) -> wasmtime::Result<InstancePre<Host>> {
    let module = Module::from_file(engine(), file)?;
    let mut linker = wasmtime::Linker::<Host>::new(engine());
    wasmtime_wasi::p1::add_to_linker_async(&mut linker, |host| &mut host.wasi)?;
    mynah_wasi::add_to_core_linker(&mut linker)?;
    linker.instantiate_pre(&module)
}

async fn execute_core(module: &InstancePre<Host>, host: Host) -> wasmtime::Result<i32> {
    let mut store = Store::new(engine(), host);
    let instance = module.instantiate_async(&mut store).await?;
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
    exit_code(start.call_async(&mut store, ()).await.map(Ok))
}

async fn execute(command: &CommandPre<Host>, host: Host) -> wasmtime::Result<i32> {
    let mut store = Store::new(engine(), host);
    let instance = command.instantiate_async(&mut store).await?;
    exit_code(instance.wasi_cli_run().call_run(&mut store).await)
}

fn exit_code(ended: wasmtime::Result<Result<(), ()>>) -> wasmtime::Result<i32> {
    match ended {
        Ok(ended) => Ok(i32::from(ended.is_err())),
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(exit) => Ok(exit.0),
            None => Err(error),
        },
    }
}

#[expect(clippy::expect_used, reason = "test code, outside a #[test]")]
fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(&Config::new()).expect("an engine"))
}

/// Compiles a guest.
///
/// # Panics
///
/// It is not built: a test without its guest must not pass.
#[must_use]
pub fn component(name: &str) -> Component {
    component_file(&wasm(name))
}

#[expect(clippy::panic, reason = "test code, outside a #[test]")]
fn component_file(path: &Path) -> Component {
    Component::from_file(engine(), path).unwrap_or_else(|error| {
        panic!(
            "{}: {error:#}\n`cargo xtask guests` builds it",
            path.display()
        )
    })
}

/// The file of a test guest. `cargo xtask` sets its folder in `MYNAH_TEST_GUESTS`.
#[must_use]
pub fn wasm(name: &str) -> PathBuf {
    guests_folder()
        .join("wasm32-wasip2/release")
        .join(format!("{name}.wasm"))
}

/// The file of an example, built by cargo-component.
#[must_use]
pub fn cargo_component_wasm(name: &str) -> PathBuf {
    guests_folder()
        .join("wasm32-wasip1/release")
        .join(format!("{name}.wasm"))
}

fn guests_folder() -> PathBuf {
    std::env::var_os("MYNAH_TEST_GUESTS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/guests")),
        PathBuf::from,
    )
}
