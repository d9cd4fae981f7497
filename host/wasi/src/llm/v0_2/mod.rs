//! Version 0.2 of `mynah:llm`.

#![expect(
    clippy::duplicate_mod,
    reason = "what is in `alike` is compiled with the types of this version too"
)]

mod conversation;
mod generation;
mod ranking;
mod settings;
mod tokens;

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

use crate::bindings::mynah::llm;
use crate::{Llm, LlmView};

pub(super) fn add_to_linker<T: LlmView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    llm::errors::add_to_linker::<T, Llm>(linker, T::llm)?;
    llm::settings::add_to_linker::<T, Llm>(linker, T::llm)?;
    llm::llm_config::add_to_linker::<T, Llm>(linker, T::llm)?;
    llm::conversation::add_to_linker::<T, Llm>(linker, T::llm)?;
    llm::generation::add_to_linker::<T, Llm>(linker, T::llm)?;
    llm::tokens::add_to_linker::<T, Llm>(linker, T::llm)?;
    llm::embedding::add_to_linker::<T, Llm>(linker, T::llm)?;
    llm::ranking::add_to_linker::<T, Llm>(linker, T::llm)?;
    llm::backend_status::add_to_linker::<T, Llm>(linker, T::llm)
}
