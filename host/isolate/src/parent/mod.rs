//! The host's side: starts the process of a model, and serves the model through it.

mod backend;
mod death;
mod loader;
mod process;
mod table;

pub use loader::{Identity, IsolatedLoader};
pub use process::Processes;
pub(crate) use process::probe;
