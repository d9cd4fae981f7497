//! `wasi:nn` and `mynah:llm` for components, and `wasi_ephemeral_nn` for core modules, on wasmtime.
//!
//! A component loads a model that it was granted by name, and generates text with it. It uses
//! `wasi:nn` alone (prompt in a tensor, answer in a tensor), or Mynah's own `mynah:llm` interfaces
//! (streaming, messages, settings). A program adds both to its
//! `wasmtime::component::Linker` beside WASI; their state is part of its own store:
//!
//! ```no_run
//! use mynah_core::testing::Scripted;
//! use mynah_wasi::{LlmCtx, LlmCtxView, LlmView};
//! use wasmtime::component::{Component, Linker, ResourceTable};
//! use wasmtime::{Config, Engine, Result, Store};
//! use wasmtime_wasi::p2::bindings::Command;
//! use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
//!
//! struct State {
//!     table: ResourceTable,
//!     wasi: WasiCtx,
//!     llm: LlmCtx,
//! }
//!
//! impl WasiView for State {
//!     fn ctx(&mut self) -> WasiCtxView<'_> {
//!         WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
//!     }
//! }
//!
//! impl LlmView for State {
//!     fn llm(&mut self) -> LlmCtxView<'_> {
//!         LlmCtxView { ctx: &mut self.llm, table: &mut self.table }
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<()> {
//!     let engine = Engine::new(&Config::new())?;
//!     let mut linker = Linker::<State>::new(&engine);
//!     wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
//!     mynah_wasi::add_to_linker(&mut linker)?;
//!     let component = Component::from_file(&engine, "guest.wasm")?;
//!
//!     // A model can be granted to any number of stores. `mynah_engine::load` loads one from a
//!     // GGUF file. This one returns a fixed text, as in a test.
//!     let model = Scripted::saying("Hello!").into_model();
//!     let state = State {
//!         table: ResourceTable::new(),
//!         wasi: WasiCtx::builder().inherit_stdio().build(),
//!         llm: LlmCtx::builder().model("default", model).build(),
//!     };
//!     let mut store = Store::new(&engine, state);
//!     let command = Command::instantiate_async(&mut store, &component, &linker).await?;
//!     let ended = command.wasi_cli_run().call_run(&mut store).await?;
//!     ended.map_err(|()| wasmtime::format_err!("the guest failed"))
//! }
//! ```
//!
//! It needs wasmtime 48 and wasmtime-wasi 48 with the feature `p2`. The program in the project's
//! `docs/embedding.md` also loads a file, limits memory and time, and tells how to build llama.cpp
//! for speed.
//!
//! [`Limits`] and the grants in its [`LlmCtx`] restrict what a guest can do. Mistakes of a guest
//! give error values, never traps. Host functions are async, so a guest that waits for the model
//! blocks no thread. They need no runtime of their own.
//!
//! Core modules that import `wasi_ephemeral_nn` with its extensions for LLMs use the same
//! [`LlmCtx`]: see [`add_to_core_linker`].
//!
//! The implementation of `wasi:nn` is complete: [`bindings::wasi::nn`] is its snapshot
//! 0.2.0-rc-2024-10-28, and the linker also has 0.2.0-rc-2024-08-19 and 0.2.0-rc-2024-06-25. The
//! contract of Mynah's interfaces is in the project's `wit/`.

#![forbid(unsafe_code)]

pub mod bindings;
mod ctx;
mod ephemeral;
mod held;
mod llm;
mod nn;

pub use bindings::wasi::nn::errors::ErrorCode;
pub use ctx::{GuestModels, Limits, Llm, LlmCtx, LlmCtxBuilder, LlmCtxView, LlmView};
pub use ephemeral::{Errno, add_to_core_linker};
pub use held::{ExecutionContext, Generation, Graph, NnError, Tensor};

use wasmtime::component::Linker;

/// Adds `wasi:nn` in three snapshots and all `mynah:llm` interfaces to a linker. `wasmtime_wasi`
/// must add WASI itself (at least `wasi:io`).
///
/// # Errors
///
/// An interface is already in the linker.
pub fn add_to_linker<T: LlmView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    nn::add_to_linker(linker)?;
    llm::add_to_linker(linker)
}
