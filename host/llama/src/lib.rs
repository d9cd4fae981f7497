//! The only unsafe code of the workspace: a thin safe face over `llama-cpp-sys-2`.
//!
//! `llama-cpp-2` gives backend, model, vocabulary and samplers; what it leaves out (contexts with
//! an abort callback, batches that can't overflow, bounded outputs, logs that can be read back, the
//! quantiser) is here. Nothing in this folder knows what a request is.
//!
//! llama.cpp ends the process on bad arguments (`GGML_ASSERT`). Every function here checks what it
//! is given first and answers with an error value.

mod ability;
mod backend;
mod batch;
mod cells;
mod context;
mod error;
mod log;
mod model;
mod quantize;
mod sampler;
mod saved;
mod system;
mod weights;

pub(crate) use ability::Ability;
pub use backend::llama_backend;
pub(crate) use batch::Batch;
pub(crate) use context::{Context, ContextParams, DecodeError};
pub use error::LlamaError;
pub(crate) use log::with_captured_errors;
pub(crate) use model::LlamaModel;
pub(crate) use quantize::quantize;
pub(crate) use sampler::{Candidate, LlamaSampler};
pub(crate) use saved::{SavedForm, SavedSequence};
pub(crate) use system::{AMX_HEADER, device_memory, has_amx_header};
pub use system::{Device, DeviceKind, LlamaBuild, SystemInfo};
pub(crate) use weights::read_weights;

pub(crate) use mynah_core::{TokenAttributes, TokenId};
