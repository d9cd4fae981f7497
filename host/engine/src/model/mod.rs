//! A GGUF model: checked and loaded once, shared by all its sessions, unloaded and replaced.

mod answer;
mod build_advice;
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
mod text;
mod tokenizer;
mod unload_timer;
mod vectors;
mod vocabulary;
mod weights;

pub use build_advice::{BuildAdvice, build_advice};
pub use cpu::cpu_features;
pub use mynah_gguf as gguf;

pub use answer::{Shown, shown_by};
pub use load::{BACKEND, build, capabilities_of};
pub use local::{LocalModel, load};
pub use source::{GgufFile, GgufLoader};
