//! The host's side: starts the process of a model, and serves the model through it.

mod backend;
mod death;
mod loader;
mod places;
mod process;
mod spawn;
mod table;

pub use loader::IsolatedLoader;
pub use places::Processes;
pub(crate) use process::probe;
