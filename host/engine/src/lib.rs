//! Mynah's engine: large language models through llama.cpp, shared by many sessions. It knows
//! nothing of wasm.
//!
//! A [`Model`] is loaded once from a GGUF file and owns one worker thread, the only one that
//! touches its llama.cpp context. A [`Session`] is one conversation with it; [`Session::start`]
//! queues a request and gives a [`Generation`], from which text arrives as it is made. Dropping a
//! generation cancels it within one decode step.
//!
//! ```no_run
//! use mynah_engine::{Event, Model, ModelConfig, Owner, Prompt, Settings};
//!
//! # async fn example() -> mynah_engine::Result<()> {
//! let model = Model::load("model.gguf".as_ref(), ModelConfig::default(), |progress| {
//!     eprintln!("loading: {:.0} %", progress * 100.0);
//! })?;
//! let mut session = model.session(Owner::unique())?;
//! let mut generation = session.start(Prompt::Text("The capital of France is".into()), Settings::default())?;
//! loop {
//!     for event in generation.next().await? {
//!         match event {
//!             // Only where `n_probs` asks for them.
//!             Event::Token(_) => {}
//!             Event::Text(text) => print!("{text}"),
//!             Event::Finished(outcome) => {
//!                 println!(" ({} tokens)", outcome.usage.generated_tokens);
//!                 return Ok(());
//!             }
//!         }
//!     }
//! }
//! # }
//! ```
//!
//! | folder | subject |
//! |---|---|
//! | `model/` | a GGUF: its header, tokenizer, chat template; named models; converted weights |
//! | `memory/` | what is remembered of sequences that have ended: cells, alignment, the shelf; pure |
//! | `disk/` | what is remembered on disk: files, their folder, the thread that reads and writes them |
//! | `schedule/` | the waiting line, fairness, places and the plan of each step; pure |
//! | `decode/` | the worker thread and its step: admit, plan, decode, sample, emit |
//! | `log` | classes of the log, whose request a line is about, and what stays out of it |
//! | `status/` | the snapshot that everybody reads, and the report that all views show |

#![forbid(unsafe_code)]

mod decode;
mod disk;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzz;
mod generation;
mod llama {
    //! llama.cpp, and the ids of its tokens.

    pub(crate) use mynah_core::{TokenAttributes, TokenId};
    pub(crate) use mynah_llama::*;
}
pub mod log;
mod memory;
mod memory_limit;
pub mod model;
mod observer;
mod owner;
mod request;
mod request_end;
mod request_log;
mod schedule;
mod session;
mod status;

pub use error::{Error, Result};
pub use generation::Generation;
pub use memory::{Pressure, PressureLevel};
pub use memory_limit::MemoryUse;
pub use model::{Embeddings, LoadOptions, Model, ModelInfo, Progress, Registry};
pub use mynah_llama::{Device, DeviceKind, LlamaBuild, LlamaError, SystemInfo, llama_backend};
pub use mynah_settings::{
    BackendSettings, BiasTarget, ChatTemplateName, Effective, Fault, Flag, FlagForm, FlagValue,
    FormText, KvLayout, KvType, Level, LogColors, LogFormat, LogLevel, LoggingInForce,
    LoggingSettings, LogitBias, Memory, MemoryInForce, ModelConfig, ModelSettings, Operator,
    OperatorDocument, OtherSection, Output, OutputForm, Place, Priority, Problem, Reading,
    SamplerName, Sampling, SamplingInForce, Scheduling, SchedulingInForce, Seed, SettingInForce,
    Settings, SettingsError, Stopping, StoppingInForce, settings_schema, settings_table,
};
pub use observer::Observer;
pub use owner::Owner;
pub use request::{
    Conversation, Event, FinishReason, Message, Outcome, Prompt, Role, TokenProb, TokenProbs, Usage,
};
pub use request_end::{RequestEnd, RequestOutcome, Task};
pub use session::Session;
pub use status::{
    ByPriority, CacheStatus, DiskStatus, EmbeddingStatus, Histogram, Histograms, IgnoredKey,
    MemoryReport, ModelReport, ModelState, OwnerShare, Percentiles, Performance, PerformanceReport,
    QueueReport, Rate, Report, Requests, SessionState, SessionStatus, SessionsReport, Status,
};
