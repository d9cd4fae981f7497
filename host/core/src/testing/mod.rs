//! A backend that runs a script, for tests without a model.
//!
//! It is an example of a backend, and `mynah-wasi` and `mynah` use it in their tests. Embedders can
//! use it in their own tests with the feature `testing`:

mod backend;
mod scripted;
mod source;
mod step;

pub use scripted::Scripted;
pub use source::{EchoLoader, ScriptedSource};
pub use step::{Gate, Step};
