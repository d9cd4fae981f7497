//! A safe interface over llama.cpp, with the only unsafe code of the workspace.
//!
//! `llama-cpp-2` provides backend, model, vocabulary and samplers. This crate adds what it lacks,
//! over `llama-cpp-sys-2`: contexts with an abort callback, batches that cannot overflow, limited
//! outputs, captured logs, the quantiser. No type of these bindings leaves this crate, except the
//! started backend ([`llama_backend`]). Nothing here depends on requests.
//!
//! llama.cpp aborts the process on invalid arguments (`GGML_ASSERT`). Every function here checks
//! its arguments first and returns an error.

#![expect(
    unsafe_code,
    reason = "llama.cpp is C; this crate is its only door, and each block says why it is sound"
)]

mod ability;
#[cfg(target_os = "linux")]
mod areas;
mod backend;
mod batch;
mod build_flags;
#[cfg(target_os = "linux")]
mod bus_errors;
mod cells;
mod compute;
mod context;
mod error;
mod log;
mod mapped;
mod model;
mod quantize;
mod sampler;
mod saved;
mod system;
mod waiting;
mod weights;

pub use ability::Ability;
pub use backend::llama_backend;
pub use batch::Batch;
pub use build_flags::BuildFlags;
#[cfg(target_os = "linux")]
pub use bus_errors::leave_bus_errors;
pub use context::{Context, ContextParams, DecodeError};
pub use error::LlamaError;
pub use mapped::MappedFiles;
pub use model::LlamaModel;
pub use quantize::quantize;
pub use sampler::{Candidate, LlamaSampler};
pub use saved::{SavedForm, SavedSequence};
pub use system::{Device, DeviceKind, LlamaBuild, SystemInfo, device_memory};
pub use waiting::bound_waiting;
pub use weights::read_weights;
