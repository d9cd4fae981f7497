//! Code that the integration suite and the benchmark share: models, guests, and running guests.
//!
//! The tests are in `tests/suite/`, the guests in `guests/`.

#![forbid(unsafe_code)]

pub mod core_driver;
mod guest;
pub mod hostile;
mod models;
pub mod tiny_model;

pub use guest::{
    AddToLinker, Ended, Guest, Host, Running, Started, cargo_component_wasm, component, wasm,
};
pub use models::{
    engine_error, gemma, gemma_path, gguf, greedy, guest_models, is_file_error, model_path, solo,
    tiny, tiny_with,
};

include!(concat!(env!("OUT_DIR"), "/guests.rs"));
