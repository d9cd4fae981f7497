//! Prompts, events, outcomes, owners, errors, status, and the interface that backends implement.
//! This crate depends on neither llama.cpp nor wasm nor HTTP.
//!
//! A [`Backend`] serves a [`Model`]: llama.cpp in this process (`mynah_engine::load`), an engine
//! across the network, or a script in a test (`testing`, a feature). A [`Session`] is one
//! conversation with the model. [`Session::start`] starts a request and returns a [`Generation`],
//! from which text arrives as it is generated. Dropping a generation cancels it.
//!
//! ```
//! use mynah_core::{Event, Model, Owner, Prompt, Result};
//! use mynah_settings::Settings;
//!
//! async fn complete(model: &Model, prompt: &str) -> Result<String> {
//!     let mut session = model.session(Owner::unique())?;
//!     let mut generation = session.start(Prompt::Text(prompt.into()), Settings::default()).await?;
//!     let mut answer = String::new();
//!     loop {
//!         for event in generation.next().await? {
//!             match event {
//!                 // Only if `n_probs` is set.
//!                 Event::Text(text) => answer.push_str(&text),
//!                 Event::Finished(_) => return Ok(answer),
//!                 _ => {}
//!             }
//!         }
//!     }
//! }
//! ```
//!
//! | start at | to learn |
//! |---|---|
//! | [`Session::start`] | how a request starts |
//! | [`Backend`], [`BackendSession`] | what a backend must implement |
//! | [`Error`] | what can go wrong |
//! | [`Report`] | the state of a model, which every view shows |
//! | [`log`] | the classes of log messages, and the data that they never contain |

#![forbid(unsafe_code)]

mod backend;
mod capabilities;
mod conversation_error;
mod error;
pub mod files;
mod generation;
pub mod log;
mod model;
mod model_info;
mod observer;
mod owner;
mod pressure;
mod registry;
mod request;
mod request_end;
mod request_log;
mod session;
mod shape;
mod source;
mod status;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod text_stream;
mod token;
mod tools;

pub use backend::{
    Backend, BackendSession, Embeddings, Pending, Producer, RankRequest, Scores, Started,
    TextRequest, VectorRequest,
};
pub use capabilities::{About, Capabilities, Feature};
pub use conversation_error::ConversationError;
pub use error::{BackendError, BackendErrorKind, Error, Result};
pub use generation::Generation;
pub use model::Model;
pub use model_info::ModelInfo;
pub use observer::Observer;
pub use owner::{Owner, OwnerRef};
pub use pressure::{MemoryUse, Pressure, PressureLevel};
pub use registry::Registry;
pub use request::{
    Conversation, Event, FinishReason, Media, Message, Outcome, Part, Prompt, Reading, Role,
    TokenProb, TokenProbs, Usage,
};
pub use request_end::{RequestEnd, RequestOutcome, Task};
pub use request_log::RequestLog;
pub use session::Session;
pub use shape::Shape;
pub use source::{
    DeviceClass, GuestLoader, ModelFormat, Progress, ProgressFn, Source, load_async, progress_fn,
};
pub use status::{
    ByPriority, CacheStatus, DiskStatus, EmbeddingStatus, Histogram, Histograms, IgnoredKey,
    MemoryReport, Meter, ModelReport, ModelState, OwnerShare, Percentiles, Performance,
    PerformanceReport, Presence, QueueReport, Rate, Report, Requests, SessionState, SessionStatus,
    SessionsReport, Snapshot, Status, StepNote,
};
pub use text_stream::{StreamWriter, Taken, TextStream};
pub use token::{TokenAttributes, TokenId};
pub use tools::{Tool, ToolCall, ToolChoice, Tools};
