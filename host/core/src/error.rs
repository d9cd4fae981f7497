//! What can go wrong, whatever the backend. Every variant says what was asked, what was there and
//! what to do.

mod backend;

pub use backend::{BackendError, BackendErrorKind};

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use mynah_settings::{Problem, SettingsError};

use crate::Feature;

/// The result of a request to a model.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a request, a session or a load was refused, or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Whoever loaded the model ended that.
    #[error("{}: the load was cancelled by whoever asked for it: load it again", path.display())]
    LoadCancelled {
        /// The file.
        path: PathBuf,
    },
    /// Settings out of range, all of them at once.
    #[error("{}", list(problems))]
    Settings {
        /// One for each setting that is out of range.
        problems: Vec<Problem>,
    },
    /// No model has this name.
    #[error(
        "there is no model `{name}`: use a name that was granted, or have the operator grant it \
         (`--model {name}=FILE`)"
    )]
    UnknownModel {
        /// The name asked for.
        name: String,
    },
    /// Two models want the same name.
    #[error(
        "the model name `{name}` is given twice: give each model its own name, or replace the one \
         that is there"
    )]
    DuplicateModel {
        /// The name.
        name: String,
    },
    /// A prompt with nothing in it.
    #[error("the prompt is empty: send at least one token, character or message")]
    EmptyPrompt,
    /// A prompt with more bytes than the host takes.
    #[error(
        "the prompt has {bytes} bytes, at most {limit} are taken: shorten it, or raise \
         `max_prompt_bytes`"
    )]
    PromptTooLarge {
        /// Bytes of the prompt, or of all messages together.
        bytes: u64,
        /// The bound in force.
        limit: u64,
    },
    /// A prompt that leaves no room for an answer.
    #[error(
        "the prompt has {prompt} tokens, this session's context holds {context}, of which the \
         answer needs at least one: shorten it, or raise `ctx_size`"
    )]
    PromptTooLong {
        /// Tokens of the prompt.
        prompt: usize,
        /// Tokens that the context holds.
        context: u32,
    },
    /// A token id that the model lacks.
    #[error(
        "token {token} at index {index} of the prompt is not in the vocabulary: use ids from 0 to \
         {last}"
    )]
    UnknownToken {
        /// The id.
        token: u32,
        /// Where it stands.
        index: usize,
        /// The highest id.
        last: u32,
    },
    /// The model's chat template failed on these messages.
    #[error(
        "the chat template of `{model}` can't render these messages: {reason}. Send what it takes, \
         or have the operator set another (`chat_template`)"
    )]
    ChatTemplate {
        /// The model's name.
        model: String,
        /// What the template engine, or the template itself, said.
        reason: String,
    },
    /// The waiting line is full.
    #[error(
        "the queue is full: {queued} of {capacity} requests are waiting{}. Try again later, or \
         raise `queue_size`",
        in_about(*estimated_wait)
    )]
    Busy {
        /// Requests that wait.
        queued: usize,
        /// Requests that may wait (`queue_size`).
        capacity: usize,
        /// Time until a place may be free, estimated from how fast requests left so far; `None`
        /// before any has.
        estimated_wait: Option<Duration>,
    },
    /// A request waited for longer than it may.
    #[error(
        "the request waited {} ms in the queue and was not begun, at most {} ms are allowed: try \
         again later, or raise `{setting}`",
        waited.as_millis(), limit.as_millis()
    )]
    QueueTimeout {
        /// How long it waited.
        waited: Duration,
        /// How long it may wait.
        limit: Duration,
        /// What set the limit: `queue_timeout_ms`, `default_task_timeout_ms` or `max_time_ms`.
        setting: &'static str,
    },
    /// The process has nearly all the memory that it may have.
    #[error(
        "memory is short, so no new request is taken: {} are in use of {}. Try again when others \
         have ended, lower `max_parked_bytes` or `max_concurrent`, or raise what bounds it \
         (`max_process_bytes`, the control group's limit) or `pressure_threshold`",
        used.display().iec(), limit.display().iec()
    )]
    MemoryShort {
        /// What is in use, by the process or its control group.
        used: ByteSize,
        /// What there may be.
        limit: ByteSize,
    },
    /// A request for vectors that was not done in the time that it may take.
    #[error(
        "the request was not done within {} ms: give it more (`max_time_ms`), or send fewer texts \
         at once",
        limit.as_millis()
    )]
    MaxTime {
        /// The time that it may take (`max_time_ms`).
        limit: Duration,
    },
    /// A request for vectors with more texts than one may have.
    #[error(
        "{texts} texts were sent at once, at most {limit} are taken: send them in several requests"
    )]
    TooManyTexts {
        /// Texts of the request.
        texts: usize,
        /// Texts that one may have.
        limit: usize,
    },
    /// A model that has no vectors for texts.
    #[error(
        "`{model}` gives no vectors: its file says pooling type {pooling}, which ranks texts or \
         isn't known. Use another model"
    )]
    NoVectors {
        /// The model's name.
        model: String,
        /// The number of the file.
        pooling: u32,
    },
    /// A request for text to a model that reads texts as a whole.
    #[error(
        "`{model}` (architecture `{architecture}`) has vectors for texts and generates none: ask \
         for vectors (`embed`, or `embedding` in the settings), or use another model"
    )]
    VectorsOnly {
        /// The model's name.
        model: String,
        /// Its `general.architecture`.
        architecture: String,
    },
    /// A request for text where the settings ask for vectors.
    #[error(
        "`embedding` is set, and this call generates text: leave it out, or ask for vectors \
         (`embed`, or `compute` of wasi:nn)"
    )]
    VectorsAsked,
    /// As many sessions are open as may be.
    #[error(
        "{limit} sessions are open, as many as may be, and none has been idle for long: close one, \
         or raise `max_sessions`"
    )]
    TooManySessions {
        /// Sessions that may be open (`max_sessions`).
        limit: u32,
    },
    /// The session was closed because nobody had used it for long, and the operator has such stay
    /// closed.
    #[error(
        "this session was closed after nobody had used it for {} s: open a new one, and send the \
         conversation again (`idle_timeout_ms`, `resume_closed`)",
        idle.as_secs_f32()
    )]
    SessionClosed {
        /// How long nobody had used it.
        idle: Duration,
    },
    /// A deterministic request to a model whose sequences share one pool of KV cells.
    #[error(
        "this model can't be `deterministic`: its sequences share {cells} KV cells, and what they \
         hold changes the order of sums. Serve it with `kv_layout` split"
    )]
    NotDeterministic {
        /// KV cells of the pool.
        cells: u32,
    },
    /// A session that generates already.
    #[error(
        "this session is generating already: read its generation to the end, cancel it or drop it, \
         or open another session"
    )]
    SessionBusy,
    /// An output form that can't be used.
    #[error("`{form}` can't be the form of an answer: {reason}. Change it, or leave it out")]
    OutputForm {
        /// The setting that it came in: `json_schema`, `regex`, `lark` or `grammar`.
        form: &'static str,
        /// What is wrong, and where.
        reason: String,
    },
    /// An answer took more work than an output form may, and ended early.
    #[error(
        "the answer can't be kept to its output form any further: {reason}. Use a simpler form"
    )]
    OutputFormLost {
        /// Which limit was met.
        reason: String,
    },
    /// The model was taken away.
    #[error("the model is no longer there: load it again")]
    Unavailable,
    /// A decode failed, again and again for this request.
    #[error(
        "the model failed while computing, {attempts} times in a row for this request: {reason}. \
         See the host's log"
    )]
    Decode {
        /// How often it was tried.
        attempts: u32,
        /// What llama.cpp said.
        reason: String,
    },
    /// The operating system gave no thread.
    #[error("no thread for the model: {0}. Raise the limit on processes and threads")]
    Thread(#[source] std::io::Error),
    /// The backend can't do what was asked.
    #[error("`{model}` can't do this: its backend, {backend}, has no {feature}. \
        {}", feature.advice())]
    Unsupported {
        /// What it lacks.
        feature: Feature,
        /// The model's name.
        model: String,
        /// The backend's name, such as `llama.cpp`.
        backend: &'static str,
    },
    /// The backend refused or failed, in its own words.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

impl From<SettingsError> for Error {
    fn from(error: SettingsError) -> Self {
        Self::Settings {
            problems: error.problems,
        }
    }
}

fn in_about(wait: Option<Duration>) -> String {
    wait.map_or_else(String::new, |wait| {
        format!(", a place may be free in about {} ms", wait.as_millis())
    })
}

fn list(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests;
