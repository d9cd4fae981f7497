//! The host's side of the resources that a component holds.
//!
//! The bindings name these types, and two of the types hold enums of the bindings. All types are in
//! one file, so that only this file and the bindings import each other.

use std::sync::Arc;

use mynah_core::{Model, Session};
use mynah_settings::Settings;

use super::place::Place;
use crate::bindings::wasi::nn::errors::ErrorCode;
use crate::bindings::wasi::nn::tensor::TensorType;

/// The host's side of `wasi:nn/errors.error`.
#[derive(Debug)]
pub struct NnError {
    pub(crate) code: ErrorCode,
    pub(crate) data: String,
    // Bytes that count towards the guest's limit, for an error that the guest created itself.
    pub(crate) cost: u64,
}

/// The host's side of `wasi:nn/tensor.tensor`.
///
/// The constructor cannot fail, so an invalid tensor is created anyway and refused when it is used.
#[derive(Debug, Clone)]
pub struct Tensor {
    pub(crate) dimensions: Vec<u32>,
    pub(crate) ty: TensorType,
    pub(crate) data: TensorData,
    pub(crate) cost: u64,
}

/// The data of a [`Tensor`].
#[derive(Debug, Clone)]
pub(crate) enum TensorData {
    Kept(Vec<u8>),
    /// Not kept: the guest's tensors would have `wanted` bytes, more than `limit`.
    Refused {
        wanted: u64,
        limit: u64,
    },
}

/// The host's side of `wasi:nn/graph.graph`: a loaded model.
#[derive(Debug)]
pub struct Graph {
    pub(crate) model: Model,
    /// Default settings for contexts of this graph.
    pub(crate) settings: Settings,
    // Counts a guest's own model; shared by everything that keeps the model in memory.
    pub(crate) guest_model: Option<Arc<Place>>,
}

/// The host's side of `wasi:nn/inference.graph-execution-context`.
#[derive(Debug)]
pub struct ExecutionContext {
    pub(crate) session: Session,
    pub(crate) guest_model: Option<Arc<Place>>,
    pub(crate) kept: Kept,
}

/// What a context keeps between calls.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) inputs: Vec<(String, Tensor)>,
    pub(crate) output: Option<Tensor>,
}

/// The host's side of `mynah:llm/generation.generation`. Dropping it, or its store, cancels it.
#[derive(Debug)]
pub struct Generation {
    pub(crate) engine: mynah_core::Generation,
    // Counts the guest's own model, which the generation keeps in memory.
    pub(crate) _guest_model: Option<Arc<Place>>,
}
