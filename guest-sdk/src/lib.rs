//! Language models for WebAssembly components, served by a Mynah host.
//!
//! A component names a model that its operator granted, and gets generated text from it, as a whole
//! or piece by piece:
//!
//! ```no_run
//! use mynah_guest::{Model, Options};
//! use std::io::Write;
//!
//! fn main() -> mynah_guest::Result<()> {
//!     let session = Model::load("default")?.session()?;
//!     let options = Options::new().max_tokens(40);
//!     for piece in session.stream_with("The capital of France is", options)? {
//!         print!("{}", piece?);
//!         std::io::stdout().flush()?; // shows each piece at once, not line by line
//!     }
//!     println!();
//!     Ok(())
//! }
//! ```
//!
//! | I want to | with |
//! |---|---|
//! | use a model that I was granted | [`Model::load`] |
//! | bring a model of my own | [`Model::from_bytes`] |
//! | get a whole answer | [`Session::generate`] |
//! | show an answer as it is generated | [`Session::stream`], [`Stream`] |
//! | have a conversation of several turns | [`Session::say`] |
//! | continue it in several ways | [`Session::fork`] |
//! | continue it in another run | `Session::save` and `Session::restore` with the feature `json` |
//! | let the model call functions until it is done | [`Toolbox`], [`Session::run`], [`RunLimits`] |
//! | answer calls myself | [`Session::tools`], [`Reply::tool_calls`], [`Session::say_all`] |
//! | require a call, or forbid calls | [`ToolChoice`] |
//! | pass messages and tools to the model's chat template | a [`Prompt`] of [`Message`]s, or a [`Conversation`] |
//! | send pictures and recordings | [`Message::with_image`], [`Message::with_audio`] |
//! | see what a model thinks, and read everything in order | [`Answer::reasoning`], [`Stream::events`] |
//! | choose how long a model thinks | [`Reasoning`], [`Options::thinking`] |
//! | choose the length, the randomness, the seed | [`Options`], [`Sampling`], [`Stopping`], for a [session](Session::with_options) or a [request](Session::stream_with) |
//! | get JSON, or any other form | [`OutputForm`], `json_schema` and `Answer::json` with the feature `json` |
//! | read settings from JSON, see what is in force | [`Session::configure_json`], [`Session::effective`], [`Model::load_with_config`] |
//! | set what this crate does not know yet | [`Options::further`] |
//! | see how likely each token was | [`Sampling::n_probs`], [`Stream::tokens`] |
//! | know why an answer ended, and how fast it was | [`Outcome`], [`Usage`] |
//! | end an answer at a string | [`Options::stop`] |
//! | stop an answer | [`Stream::cancel`], or drop the stream |
//! | answer a list of prompts, several at a time, each with its own options | [`Model::answer_all`], [`Request`] |
//! | run several generations at once and read each as it arrives | [`Streams`], [`Streams::push_when_free`] |
//! | do other work while waiting | [`Stream::try_next`], [`Stream::wait_any`] |
//! | set a request's priority | [`Options::priority`] |
//! | limit the time that an answer takes | [`Options::max_time`], [`Options::queue_timeout`] |
//! | get the same text however busy the model is | [`Options::deterministic`] |
//! | know how many tokens a prompt has, and which | [`Session::count_tokens`], [`Session::tokenise`], [`Session::detokenise`] |
//! | rank documents for a query | [`Session::rank`] |
//! | compare and search texts by their vectors | [`Session::embed`], [`cosine`] |
//! | see what a model is doing | [`Model::status`] |
//! | handle an error, and keep the text generated before it | [`Error`], [`Error::partial_text`] |
//! | use `wasi:nn` directly | [`bindings`] |
//!
//! # Building
//!
//! A guest is an ordinary Rust program with this crate as a dependency and no WIT files of its own:
//!
//! ```text
//! cargo component build --release                 # a component through wasm32-wasip1
//! cargo build --release --target wasm32-wasip2    # the same without cargo-component
//! mynah run --model default=PATH.gguf target/wasm32-wasip2/release/GUEST.wasm
//! ```
//!
//! A component imports only the interfaces whose functions it calls. The crate also compiles for
//! the native target, so that a guest's own logic can be tested there; calling a model outside a
//! host panics.

#![forbid(unsafe_code)]

mod answers;
mod config;
mod conversation;
mod embed;
mod error;
mod message;
mod model;
mod options;
mod outcome;
mod prompt;
mod ranking;
mod rounds;
mod run;
mod said;
#[cfg(feature = "json")]
mod saved;
mod say;
mod session;
mod status;
mod stream;
mod streams;
mod tokens;
mod tool;
mod toolbox;

pub mod bindings;

pub use answers::{Answers, Request};
pub use config::{Origin, SettingInForce};
pub use conversation::{Conversation, ToolChoice};
pub use embed::{Embeddings, cosine};
pub use error::{Error, NnErrorCode, Problem, Result, RunLimit};
pub use message::{Media, Message, Part, Role, ToolCall};
pub use model::Model;
pub use options::{
    FormStart, LogitBias, Memory, Options, OutputForm, Priority, Reasoning, SamplerName, Sampling,
    Scheduling, Seed, Stopping, Thinking,
};
#[cfg(feature = "json")]
pub use options::{JsonForm, json_schema, json_schema_with};
pub use outcome::{Answer, FinishReason, Outcome, TokenProb, TokenProbs, Usage};
pub use prompt::Prompt;
pub use ranking::Ranking;
pub use rounds::RunLimits;
pub use run::{Run, Step};
pub use said::Event;
pub use say::Reply;
pub use session::Session;
pub use status::{
    ByPriority, DiskStatus, MemoryStatus, MemoryUse, ModelState, ModelStatus, Percentiles,
    PerformanceStatus, PressureLevel, QueueStatus, Rate, SessionState, SessionStatus,
    SessionTotals, SessionsStatus, Status, StatusKind,
};
pub use stream::Stream;
pub use streams::{Progress, Streams};
pub use tool::Tool;
pub use toolbox::{ToolOutput, ToolResult, Toolbox};

/// Compiles the code in the README as doc tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
