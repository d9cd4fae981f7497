//! `wasi:nn@0.2.0-rc-2024-10-28`, complete. The package is this folder, and each interface is a
//! file. `older` has the older snapshots.

mod error;
mod graph;
mod inference;
mod kept;
mod load;
mod older;
mod tensor;

pub(crate) use kept::short;
pub(crate) use load::{LoadRequest, load};

use wasmtime::component::Linker;

use crate::bindings::wasi::nn;
use crate::{Llm, LlmView};

/// The snapshot of the bindings.
const SNAPSHOT: &str = "0.2.0-rc-2024-10-28";

pub(crate) fn add_to_linker<T: LlmView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    nn::errors::add_to_linker::<T, Llm>(linker, T::llm)?;
    nn::tensor::add_to_linker::<T, Llm>(linker, T::llm)?;
    nn::inference::add_to_linker::<T, Llm>(linker, T::llm)?;
    // The generated binding would copy a guest's model before the host can check its size.
    graph::add_to_linker(linker, SNAPSHOT)?;
    older::add_to_linker(linker)
}
