//! Version 0.1 of `mynah:llm`. Its answers are text, with reasoning and calls as the model writes
//! them.

mod generation;
mod settings;

#[path = "../alike/config.rs"]
mod config;
#[path = "../alike/embedding.rs"]
mod embedding;
#[path = "../alike/errors.rs"]
mod errors;
#[path = "../alike/running.rs"]
mod running;
#[path = "../alike/sampling.rs"]
mod sampling;
#[path = "../alike/status.rs"]
mod status;

use wasmtime::component::Linker;

use crate::bindings::v0_1::mynah::llm;
use crate::{Llm, LlmView};

pub(super) fn add_to_linker<T: LlmView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    llm::errors::add_to_linker::<T, Llm>(linker, T::llm)?;
    llm::settings::add_to_linker::<T, Llm>(linker, T::llm)?;
    llm::llm_config::add_to_linker::<T, Llm>(linker, T::llm)?;
    llm::generation::add_to_linker::<T, Llm>(linker, T::llm)?;
    llm::embedding::add_to_linker::<T, Llm>(linker, T::llm)?;
    llm::backend_status::add_to_linker::<T, Llm>(linker, T::llm)
}
