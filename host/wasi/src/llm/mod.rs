//! `mynah:llm`: Mynah's own interfaces, one file each.

mod error;
mod generation;

pub use generation::Generation;

use wasmtime::component::Linker;

use crate::bindings::mynah::llm;
use crate::{Llm, LlmView};

pub(crate) fn add_to_linker<T: LlmView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    llm::errors::add_to_linker::<T, Llm>(linker, T::llm)?;
    llm::generation::add_to_linker::<T, Llm>(linker, T::llm)
}
