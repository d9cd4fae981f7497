//! Version 0.2 of `mynah:llm`.

mod conversation;
mod generation;
mod ranking;
mod settings;
mod tokens;

#[path = "../alike/config.rs"]
#[expect(
    clippy::duplicate_mod,
    reason = "compiled with the types of this version"
)]
mod config;
#[path = "../alike/embedding.rs"]
#[expect(
    clippy::duplicate_mod,
    reason = "compiled with the types of this version"
)]
mod embedding;
#[path = "../alike/errors.rs"]
#[expect(
    clippy::duplicate_mod,
    reason = "compiled with the types of this version"
)]
mod errors;
#[path = "../alike/running.rs"]
#[expect(
    clippy::duplicate_mod,
    reason = "compiled with the types of this version"
)]
mod running;
#[path = "../alike/sampling.rs"]
#[expect(
    clippy::duplicate_mod,
    reason = "compiled with the types of this version"
)]
mod sampling;
#[path = "../alike/status.rs"]
#[expect(
    clippy::duplicate_mod,
    reason = "compiled with the types of this version"
)]
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
