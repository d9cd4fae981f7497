//! Models of guests in processes of their own.
//!
//! A guest may bring a model as bytes, which native code then parses and computes. An abort or an
//! exception of that code ends the process it runs in. With [`IsolatedLoader`] each of these models
//! has a process, so the guest gets an error and the host goes on. The process is also confined: it
//! can open no file, no connection and no other process ([`Confinement`]).
//!
//! A program that uses it calls [`enter`] first thing in its `main`, because the process is the
//! same executable:
//!
//! ```no_run
//! # use std::path::Path;
//! # use mynah_core::{Model, ProgressFn, Result};
//! # use mynah_settings::ModelConfig;
//! # fn load(_: &Path, _: ModelConfig, _: ProgressFn) -> Result<Model> {
//! #     Err(mynah_core::Error::Unavailable)
//! # }
//! fn main() {
//!     // In the process of a model this serves the model, and does not return.
//!     mynah_isolate::enter(load);
//!     // What the program does.
//! }
//! ```
//!
//! It works on Linux. Elsewhere [`IsolatedLoader::new`] says that it doesn't.

#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
mod child;
mod confinement;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod entry;
mod error;
mod identity;
#[cfg(target_os = "linux")]
mod parent;
#[cfg(target_os = "linux")]
mod wire;

pub use confinement::Confinement;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::{IsolatedLoader, Processes, enter, probe};
#[cfg(target_os = "linux")]
pub use entry::{enter, probe};
pub use error::IsolateError;
pub use identity::Identity;
#[cfg(target_os = "linux")]
pub use parent::{IsolatedLoader, Processes};

/// Whether models can have processes of their own on this system: on Linux.
pub const IS_AVAILABLE: bool = cfg!(target_os = "linux");
