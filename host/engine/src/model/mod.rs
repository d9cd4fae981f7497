//! A GGUF model: opened and checked, loaded once, shared by all its sessions, unloaded and
//! replaced.

mod chat;
mod cpu;
mod fit;
mod info;
mod load;
mod loaded;
mod local;
pub mod optimize;
mod prompt;
mod recommended;
mod session;
mod slot;
mod source;
mod unload_timer;
mod vectors;
mod vocabulary;

pub use cpu::cpu_features;
pub use mynah_gguf as gguf;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use chat::fuzz::render as fuzz_template;
pub use load::capabilities_of;
pub use local::{LocalModel, load};
pub use source::{GgufFile, GgufLoader};
