//! `mynah:llm`: Mynah's own interfaces, one file each.

mod config;
mod embedding;
mod error;
mod generation;
mod settings;
mod status;

use wasmtime::component::Linker;

use crate::bindings::mynah::llm;
use crate::{Llm, LlmView};

pub(crate) fn add_to_linker<T: LlmView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    llm::errors::add_to_linker::<T, Llm>(linker, T::llm)?;
    llm::settings::add_to_linker::<T, Llm>(linker, T::llm)?;
    llm::llm_config::add_to_linker::<T, Llm>(linker, T::llm)?;
    llm::generation::add_to_linker::<T, Llm>(linker, T::llm)?;
    llm::embedding::add_to_linker::<T, Llm>(linker, T::llm)?;
    llm::backend_status::add_to_linker::<T, Llm>(linker, T::llm)
}
