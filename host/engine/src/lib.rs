//! The backend for GGUF models in this process. llama.cpp computes them, and many sessions share
//! them. This crate does not depend on wasm.
//!
//! [`load`] reads a GGUF file and returns a [`Model`](mynah_core::Model). Each model has one worker
//! thread, the only one that uses its llama.cpp context. A [`Session`](mynah_core::Session) is one
//! conversation with it: its requests wait in the model's queue, run in shared steps, and send text
//! to their readers as it is generated. Dropping a generation cancels it within one decode step.
//!
//! ```no_run
//! use mynah_core::{Event, Owner, Prompt};
//! use mynah_settings::{ModelConfig, Settings};
//!
//! # async fn example() -> mynah_core::Result<()> {
//! let model = mynah_engine::load("model.gguf".as_ref(), ModelConfig::default(), |progress| {
//!     eprintln!("loading: {:.0} %", progress * 100.0);
//! })?;
//! let mut session = model.session(Owner::unique())?;
//! let prompt = Prompt::Text("The capital of France is".into());
//! let mut generation = session.start(prompt, Settings::default()).await?;
//! loop {
//!     for event in generation.next().await? {
//!         match event {
//!             Event::Text(text) => print!("{text}"),
//!             Event::Finished(outcome) => {
//!                 println!(" ({} tokens)", outcome.usage.generated_tokens);
//!                 return Ok(());
//!             }
//!             // Probabilities, and what only conversations have.
//!             _ => {}
//!         }
//!     }
//! }
//! # }
//! ```
//!
//! # Building
//!
//! This crate builds llama.cpp, which needs a C++ compiler, cmake and libclang. Without any
//! settings, the build is safe on every CPU with AVX2. Three variables make it faster:
//! `RUSTFLAGS="-C target-cpu=native"`, `LLAMA_LIB_PROFILE=Release`, and `CPLUS_INCLUDE_PATH` with
//! the folder `native/gcc` of the crate `mynah-llama`. If one that matters on this machine is
//! missing, the first model that is loaded logs a warning with the remedy
//! ([`model::build_advice()`]). `docs/embedding.md` of the project explains them, and a complete
//! program.
//!
//! # Reading the code
//!
//! | start at | to learn |
//! |---|---|
//! | [`LocalModel`] | how a file becomes a backend, is unloaded and loaded again |
//! | `model/text.rs`, `InUse::start` | how a prompt becomes a job in the queue |
//! | `prepare/` | the threads on which prompts become tokens |
//! | `decode/engine.rs`, `Engine::step` | the loop: schedule, execute, update |
//! | `decode/cache/` | KV cells, and the prefix cache in them, in host memory and on disk |
//! | [`model::optimize`] | how weights are converted to a type that is fast on a CPU |

#![forbid(unsafe_code)]

mod decode;
mod disk;
mod error;
mod memory_limit;
pub mod model;
mod prepare;

pub use error::EngineError;
pub use model::{GgufFile, GgufLoader, LocalModel, load};
pub use mynah_llama::bound_waiting;
#[cfg(target_os = "linux")]
pub use mynah_llama::leave_bus_errors;
pub use mynah_llama::{Device, DeviceKind, LlamaBuild, LlamaError, SystemInfo, llama_backend};
