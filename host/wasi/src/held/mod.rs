//! What a guest holds. The calls that use it are in `nn`, `llm` and `ephemeral`; nothing here knows
//! the context of the store.

mod core_modules;
mod handles;
mod place;
mod resources;
mod stdout;

pub(crate) use core_modules::{Answer, Context, CoreGraph, CoreModules, Live, Stream};
pub(crate) use place::Place;
pub use resources::{ExecutionContext, Generation, Graph, NnError, Tensor};
pub(crate) use resources::{Kept, TensorData};
pub(crate) use stdout::{Stdout, Writer};

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
