//! The engine through its public API, on the real models where text matters and on a tiny one where
//! mechanics do.

mod chat;
mod encoder;
mod files;
mod forms;
mod gemma;
mod life;
mod optimize;
mod outgrow;
pub(crate) mod prefix_cache;
mod pressure;
pub(crate) mod requests;
mod restart;
mod serving;
pub(crate) mod vectors;
