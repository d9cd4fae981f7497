//! Drives `wasi_ephemeral_nn` from outside, through a module that has a memory and forwards calls,
//! so that a test can pass any pointer.
//!
//! The module exports the functions that it imports, under the same names. Its memory has two pages
//! and can grow. Only the test reads and writes it.

use std::fmt::Write;
use std::sync::OnceLock;

use mynah_wasi::{LlmCtxBuilder, add_to_core_linker};
use wasmtime::{Config, Engine, Linker, Memory, Module, Store, Val};
use wasmtime_wasi::WasiCtx;

use crate::guest::Host;

/// The functions and their numbers of parameters. Parameters and results are 32-bit integers.
pub const FUNCTIONS: [(&str, usize); 12] = [
    ("load", 5),
    ("load_by_name", 3),
    ("load_by_name_with_config", 5),
    ("init_execution_context", 2),
    ("set_input", 3),
    ("compute", 1),
    ("get_output", 5),
    ("compute_single", 1),
    ("get_output_single", 5),
    ("fini_single", 1),
    ("unload", 1),
    ("finalize_execution_context", 1),
];

/// Initial size of the module's memory in bytes.
pub const MEMORY_BYTES: u32 = 2 * 65_536;

/// Address for the result of a function: a handle, or a number of bytes.
pub const PLACE: u32 = 16;
/// Address at which the methods of [`Driver`] put names and tensors.
const ARGUMENTS: u32 = 64;
/// Address at which they put a tensor's data, or settings.
const DATA: u32 = 4096;
/// Address for outputs.
pub const BUFFER: u32 = 65_536;
/// Maximum size of an output in bytes.
pub const BUFFER_BYTES: u32 = 32_768;

/// A module and its store.
#[expect(missing_debug_implementations, reason = "a store has none")]
pub struct Driver {
    store: Store<Host>,
    instance: wasmtime::Instance,
    memory: Memory,
}

impl Driver {
    /// A module with these grants.
    ///
    /// # Panics
    ///
    /// wasmtime cannot create it.
    #[expect(clippy::expect_used, reason = "test code, outside a #[test]")]
    pub async fn new(grant: LlmCtxBuilder) -> Self {
        static MODULE: OnceLock<Module> = OnceLock::new();
        let module = MODULE.get_or_init(|| compiled(&text()).expect("the module is one"));
        Self::run(module, grant).await.expect("the module runs")
    }

    /// A driver of another module, given as text.
    ///
    /// # Errors
    ///
    /// wasmtime cannot create it.
    pub async fn of(module: &str, grant: LlmCtxBuilder) -> wasmtime::Result<Self> {
        Self::run(&compiled(module)?, grant).await
    }

    async fn run(module: &Module, grant: LlmCtxBuilder) -> wasmtime::Result<Self> {
        let engine = module.engine();
        let mut linker = Linker::<Host>::new(engine);
        add_to_core_linker(&mut linker)?;
        let host = Host::new(WasiCtx::builder().build_p1(), grant.build());
        let mut store = Store::new(engine, host);
        let instance = linker.instantiate_async(&mut store, module).await?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .or_else(|| instance.get_memory(&mut store, "hidden"))
            .ok_or_else(|| wasmtime::Error::msg("the module has no memory"))?;
        Ok(Self {
            store,
            instance,
            memory,
        })
    }

    /// Calls a function with these arguments and returns its result.
    ///
    /// # Panics
    ///
    /// The call traps: no argument may cause a trap.
    #[expect(
        clippy::expect_used,
        clippy::panic,
        reason = "test code, outside a #[test]"
    )]
    pub async fn call(&mut self, function: &str, arguments: &[u32]) -> u32 {
        let called = self
            .instance
            .get_func(&mut self.store, function)
            .expect("the function is there");
        let arguments: Vec<Val> = arguments
            .iter()
            .map(|argument| Val::I32(argument.cast_signed()))
            .collect();
        let mut answer = [Val::I32(0)];
        let done = called
            .call_async(&mut self.store, &arguments, &mut answer)
            .await;
        if let Err(error) = done {
            panic!("{function}({arguments:?}) trapped: {error:#}");
        }
        answer
            .first()
            .and_then(Val::i32)
            .expect("a number")
            .cast_unsigned()
    }

    /// The memory, for reading.
    pub fn memory(&mut self) -> &[u8] {
        self.memory.data(&self.store)
    }

    /// The memory, for writing.
    pub fn memory_mut(&mut self) -> &mut [u8] {
        self.memory.data_mut(&mut self.store)
    }

    /// Writes bytes to the memory.
    ///
    /// # Panics
    ///
    /// They do not fit into the memory.
    #[expect(clippy::expect_used, reason = "test code, outside a #[test]")]
    pub fn put(&mut self, at: u32, bytes: &[u8]) {
        self.memory
            .write(&mut self.store, at as usize, bytes)
            .expect("inside the memory");
    }

    /// Writes numbers to the memory.
    ///
    /// # Panics
    ///
    /// They do not fit into the memory.
    pub fn put_numbers(&mut self, at: u32, numbers: &[u32]) {
        let bytes: Vec<u8> = numbers.iter().flat_map(|one| one.to_le_bytes()).collect();
        self.put(at, &bytes);
    }

    /// Reads a number from the memory.
    ///
    /// # Panics
    ///
    /// The address is outside the memory.
    #[expect(clippy::expect_used, reason = "test code, outside a #[test]")]
    pub fn number(&mut self, at: u32) -> u32 {
        let mut bytes = [0; 4];
        self.memory
            .read(&self.store, at as usize, &mut bytes)
            .expect("inside the memory");
        u32::from_le_bytes(bytes)
    }

    /// Grows the memory to at least this number of bytes.
    ///
    /// # Panics
    ///
    /// It cannot grow.
    #[expect(clippy::expect_used, reason = "test code, outside a #[test]")]
    pub async fn grow_to(&mut self, bytes: usize) {
        let pages = bytes.div_ceil(65_536) as u64;
        let more = pages.saturating_sub(self.memory.size(&self.store));
        self.memory
            .grow_async(&mut self.store, more)
            .await
            .expect("the memory grows");
    }

    /// The handle that a function returned, or its error number.
    fn handle(&mut self, errno: u32) -> Result<u32, u32> {
        match errno {
            0 => Ok(self.number(PLACE)),
            errno => Err(errno),
        }
    }

    /// `load_by_name`.
    ///
    /// # Errors
    ///
    /// The function's error number.
    pub async fn load_by_name(&mut self, name: &str) -> Result<u32, u32> {
        self.put(ARGUMENTS, name.as_bytes());
        let errno = self
            .call("load_by_name", &[ARGUMENTS, length(name.as_bytes()), PLACE])
            .await;
        self.handle(errno)
    }

    /// `load_by_name_with_config`.
    ///
    /// # Errors
    ///
    /// The function's error number.
    pub async fn load_with_config(&mut self, name: &str, config: &str) -> Result<u32, u32> {
        self.grow_to(DATA as usize + config.len()).await;
        self.put(ARGUMENTS, name.as_bytes());
        self.put(DATA, config.as_bytes());
        let lengths = [name, config].map(|text| length(text.as_bytes()));
        let [name, config] = lengths;
        let arguments = [ARGUMENTS, name, DATA, config, PLACE];
        let errno = self.call("load_by_name_with_config", &arguments).await;
        self.handle(errno)
    }

    /// `init_execution_context`.
    ///
    /// # Errors
    ///
    /// The function's error number.
    pub async fn init(&mut self, graph: u32) -> Result<u32, u32> {
        let errno = self.call("init_execution_context", &[graph, PLACE]).await;
        self.handle(errno)
    }

    /// `set_input` with a tensor of bytes. Its dimension is 1, as in most guests.
    pub async fn set_input(&mut self, context: u32, index: u32, data: &[u8]) -> u32 {
        self.grow_to(DATA as usize + data.len()).await;
        self.put(DATA, data);
        // The record, followed by the shape.
        self.put_numbers(ARGUMENTS, &[ARGUMENTS + 20, 1, 3, DATA, length(data), 1]);
        self.call("set_input", &[context, index, ARGUMENTS]).await
    }

    /// `get_output` or `get_output_single`, as bytes.
    ///
    /// # Errors
    ///
    /// The function's error number.
    pub async fn output(
        &mut self,
        function: &str,
        context: u32,
        index: u32,
    ) -> Result<Vec<u8>, u32> {
        let arguments = [context, index, BUFFER, BUFFER_BYTES, PLACE];
        match self.call(function, &arguments).await {
            0 => {
                let written = self.number(PLACE) as usize;
                let bytes = self.memory().iter().skip(BUFFER as usize).take(written);
                Ok(bytes.copied().collect())
            }
            errno => Err(errno),
        }
    }

    /// The output text of a context.
    ///
    /// # Panics
    ///
    /// There is none.
    #[expect(clippy::expect_used, reason = "test code, outside a #[test]")]
    pub async fn text(&mut self, context: u32) -> String {
        let bytes = self.output("get_output", context, 0).await;
        String::from_utf8(bytes.expect("there is an output")).expect("it is text")
    }

    /// The metadata of a context.
    ///
    /// # Panics
    ///
    /// It is not JSON.
    #[expect(clippy::expect_used, reason = "test code, outside a #[test]")]
    pub async fn metadata(&mut self, context: u32) -> serde_json::Value {
        let bytes = self.output("get_output", context, 1).await;
        serde_json::from_slice(&bytes.expect("there is metadata")).expect("it is JSON")
    }

    /// Sends a prompt and returns the answer's text.
    ///
    /// # Errors
    ///
    /// The error number of the first function that fails.
    pub async fn answer(&mut self, context: u32, prompt: &str) -> Result<String, u32> {
        match self.set_input(context, 0, prompt.as_bytes()).await {
            0 => {}
            errno => return Err(errno),
        }
        match self.call("compute", &[context]).await {
            0 => Ok(self.text(context).await),
            errno => Err(errno),
        }
    }
}

fn compiled(module: &str) -> wasmtime::Result<Module> {
    let engine = Engine::new(&Config::new())?;
    Module::new(&engine, wat::parse_str(module)?)
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// The module in text format.
#[must_use]
pub fn text() -> String {
    let mut imports = String::new();
    let mut functions = String::new();
    for (name, parameters) in FUNCTIONS {
        let signature = format!("(param{}) (result i32)", " i32".repeat(parameters));
        let arguments: String = (0..parameters).fold(String::new(), |mut all, index| {
            let _ = write!(all, " (local.get {index})");
            all
        });
        let _ = writeln!(
            imports,
            "(import \"wasi_ephemeral_nn\" \"{name}\" (func ${name} {signature}))"
        );
        // Called from inside the module, so that the host finds the module's memory.
        let _ = writeln!(
            functions,
            "(func (export \"{name}\") {signature} (call ${name}{arguments}))"
        );
    }
    format!("(module\n{imports}(memory (export \"memory\") 2)\n{functions})")
}
