//! What a guest holds, as data. The calls that use it are in `nn`, `llm` and `ephemeral`.

mod place;
mod resources;

pub(crate) use place::Place;
pub use resources::{ExecutionContext, Generation, Graph, NnError, Tensor};
pub(crate) use resources::{Kept, TensorData};

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

/// What the guest holds now.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) tensor_bytes: u64,
    pub(crate) graphs: u32,
    /// The guest's execution contexts, by their index in the table.
    pub(crate) contexts: BTreeSet<u32>,
    /// Number of the guest's own models in memory.
    pub(crate) guest_models: Arc<AtomicU32>,
}
