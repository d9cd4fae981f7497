//! Errors that are independent of the backend. Each message says what was requested, what the state
//! was, and what to do.

mod backend;

pub use backend::{BackendError, BackendErrorKind};

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use mynah_settings::{Problem, SettingsError};

use crate::Feature;

/// The result of a request to a model.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request, a session or a load was refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller cancelled the load.
    #[error("{}: the load was cancelled: load it again", path.display())]
    LoadCancelled {
        /// The file.
        path: PathBuf,
    },
    /// Settings out of range, all of them at once.
    #[error("{}", list(problems))]
    Settings {
        /// One problem for each setting that is out of range.
        problems: Vec<Problem>,
    },
    /// There is no model with this name.
    #[error(
        "there is no model `{name}`: use a name that was granted, or have the operator grant it \
         (`--model {name}=FILE`)"
    )]
    UnknownModel {
        /// The requested name.
        name: String,
    },
    /// Two models have the same name.
    #[error(
        "the model name `{name}` is given twice: give each model its own name, or replace the one \
         that is there"
    )]
    DuplicateModel {
        /// The name.
        name: String,
    },
    /// The prompt is empty.
    #[error("the prompt is empty: send at least one token, character or message")]
    EmptyPrompt,
    /// The prompt exceeds the maximum size.
    #[error(
        "the prompt has {bytes} bytes, at most {limit} are taken: shorten it, or have the \
         operator raise `max_prompt_bytes`"
    )]
    PromptTooLarge {
        /// Size of the prompt, or of all messages together, in bytes.
        bytes: u64,
        /// The maximum in bytes.
        limit: u64,
    },
    /// The prompt leaves no room for an answer in the context.
    #[error(
        "the prompt has {}{prompt} tokens, this session's context holds {context}, of which the \
         answer needs at least one: shorten it, or have the operator raise `ctx_size`",
        if *at_least { "at least " } else { "" }
    )]
    PromptTooLong {
        /// Number of tokens of the prompt, or fewer if `at_least`.
        prompt: usize,
        /// Whether the tokens were not counted, because the size of the text already shows that
        /// they are too many.
        at_least: bool,
        /// Context size in tokens.
        context: u32,
    },
    /// The prompt has a stretch of text that takes the tokenizer too much memory or time.
    #[error(
        "the prompt has {length} {unit} in a row, the tokenizer of `{model}` takes at most \
         {limit}: break them up, or send fewer"
    )]
    LongStretch {
        /// The model's name.
        model: String,
        /// Length of the stretch.
        length: usize,
        /// What it is made of.
        unit: &'static str,
        /// The longest stretch that is taken.
        limit: usize,
    },
    /// A token id that is not in the model's vocabulary.
    #[error(
        "token {token} at index {index} of the prompt is not in the vocabulary: use ids from 0 to \
         {last}"
    )]
    UnknownToken {
        /// The id.
        token: u32,
        /// Its index in the prompt.
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
        /// The message of the template engine, or of the template itself.
        reason: String,
    },
    /// The conversation can't be one, whatever the model.
    #[error("this conversation can't be answered: {reason}. Correct that")]
    Conversation {
        /// The mistake and what to do.
        reason: String,
    },
    /// The model can't take what the conversation has, or what is asked for its answer.
    #[error(
        "`{model}` can't answer this conversation: {reason}. Leave that out, or use another model"
    )]
    NotTaken {
        /// The model's name.
        model: String,
        /// What it can't take, and what to do.
        reason: String,
    },
    /// The queue is full.
    #[error(
        "the queue is full: {queued} of {capacity} requests are waiting{}. Try again later, or \
         have the operator raise `queue_size`",
        in_about(*estimated_wait)
    )]
    Busy {
        /// Number of waiting requests.
        queued: usize,
        /// Maximum number of waiting requests (`queue_size`).
        capacity: usize,
        /// Estimated time until a place in the queue is free, based on recent requests. `None` if
        /// no request has left the queue yet.
        estimated_wait: Option<Duration>,
    },
    /// The owner's part of the queue is full.
    #[error(
        "{queued} requests of this owner are waiting, as many as one owner may have{}. Try again \
         later, or have the operator raise `max_owner_queue`",
        in_about(*estimated_wait)
    )]
    OwnerBusy {
        /// Number of waiting requests of the owner.
        queued: usize,
        /// Maximum number of waiting requests of an owner (`max_owner_queue`).
        capacity: usize,
        /// Estimated time until a place in the queue is free, as in [`Busy`](Self::Busy).
        estimated_wait: Option<Duration>,
    },
    /// The request waited for longer than its maximum.
    #[error(
        "the request waited {} ms in the queue and was not begun, at most {} ms are allowed: try \
         again later, or raise `{setting}`",
        waited.as_millis(), limit.as_millis()
    )]
    QueueTimeout {
        /// Time that it waited.
        waited: Duration,
        /// The maximum.
        limit: Duration,
        /// The setting with the maximum: `queue_timeout_ms`, `default_task_timeout_ms` or
        /// `max_time_ms`.
        setting: &'static str,
    },
    /// The process is close to its memory limit.
    #[error(
        "memory is short, so no new request is taken: {} are in use of {}. Try again when others \
         have ended, or have the operator lower `max_parked_bytes` or `max_concurrent`, or raise \
         what bounds it (`max_process_bytes`, the control group's limit) or `pressure_threshold`",
        used.display().iec(), limit.display().iec()
    )]
    MemoryShort {
        /// Memory in use by the process or its control group.
        used: ByteSize,
        /// The memory limit.
        limit: ByteSize,
    },
    /// A request for vectors exceeded its maximum time.
    #[error(
        "the request was not done within {} ms: give it more (`max_time_ms`), or send fewer texts \
         at once",
        limit.as_millis()
    )]
    MaxTime {
        /// The maximum time (`max_time_ms`).
        limit: Duration,
    },
    /// A request for vectors has too many texts.
    #[error(
        "{texts} texts were sent at once, at most {limit} are taken: send them in several requests"
    )]
    TooManyTexts {
        /// Number of texts in the request.
        texts: usize,
        /// Maximum number of texts.
        limit: usize,
    },
    /// One of several texts of a request for vectors is refused.
    #[error("text {index} of {texts} (counted from 0): {error}")]
    InText {
        /// Index of the text.
        index: usize,
        /// Number of texts in the request.
        texts: usize,
        /// What is wrong with it.
        #[source]
        error: Box<Error>,
    },
    /// The model gives no vectors.
    #[error("`{model}` gives no vectors: {reason}. Use another model")]
    NoVectors {
        /// The model's name.
        model: String,
        /// Why it has none.
        reason: String,
    },
    /// A request for text to a model that only gives vectors.
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
    /// A request for text with settings that ask for vectors.
    #[error(
        "`embedding` is set, and this call generates text: leave it out, or ask for vectors \
         (`embed`, or `compute` of wasi:nn)"
    )]
    VectorsAsked,
    /// The maximum number of sessions is open.
    #[error(
        "{limit} sessions are open, as many as may be, and none has been idle for long: close one, \
         try again later, or have the operator raise `max_sessions`"
    )]
    TooManySessions {
        /// Maximum number of open sessions (`max_sessions`).
        limit: u32,
    },
    /// The owner has as many open sessions as one owner may have.
    #[error(
        "{limit} sessions of this owner are open, as many as one owner may have, and none has been \
         idle for long: close one, or have the operator raise `max_owner_sessions`"
    )]
    TooManyOwnerSessions {
        /// Maximum number of open sessions of an owner (`max_owner_sessions`).
        limit: u32,
    },
    /// The session was closed because it was idle, and the operator does not allow closed sessions
    /// to resume.
    #[error(
        "this session was closed after nobody had used it for {} s: open a new one, and send the \
         conversation again (`idle_timeout_ms`, `resume_closed`)",
        idle.as_secs_f32()
    )]
    SessionClosed {
        /// Time that it was idle.
        idle: Duration,
    },
    /// A deterministic request to a model whose sequences share a pool of KV cells.
    #[error(
        "this model can't be `deterministic`: its sequences share {cells} KV cells, and what they \
         hold changes the order of sums. Serve it with `kv_layout` split"
    )]
    NotDeterministic {
        /// Number of KV cells in the pool.
        cells: u32,
    },
    /// The session already generates.
    #[error(
        "this session is generating already: read its generation to the end, cancel it or drop it, \
         or open another session"
    )]
    SessionBusy,
    /// The output form cannot be used.
    #[error("`{form}` can't be the form of an answer: {reason}. Change it, or leave it out")]
    OutputForm {
        /// The setting with the form: `json_schema`, `regex`, `lark` or `grammar`.
        form: &'static str,
        /// The mistake and its position.
        reason: String,
    },
    /// Following the output form took more work than allowed, and the answer ended early.
    #[error(
        "the answer can't be kept to its output form any further: {reason}. Use a simpler form"
    )]
    OutputFormLost {
        /// The limit that was exceeded.
        reason: String,
    },
    /// The host is stopping, and takes no new requests.
    #[error("the host is stopping and takes no new requests: try again when it has been restarted")]
    Stopping,
    /// The model was removed.
    #[error("the model is no longer there: load it again")]
    Unavailable,
    /// Decode steps failed repeatedly for this request.
    #[error(
        "the model failed while computing, {attempts} times in a row for this request: {reason}. \
         See the host's log"
    )]
    Decode {
        /// Number of attempts.
        attempts: u32,
        /// The backend's message.
        reason: String,
    },
    /// The operating system could not start a thread.
    #[error("no thread for the model: {0}. Raise the limit on processes and threads")]
    Thread(#[source] std::io::Error),
    /// The backend does not support the request.
    #[error("`{model}` can't do this: its backend, {backend}, has no {feature}. \
        {}", feature.advice())]
    Unsupported {
        /// The missing feature.
        feature: Feature,
        /// The model's name.
        model: String,
        /// The backend's name, such as `llama.cpp`.
        backend: &'static str,
    },
    /// The backend refused the request or failed, with its own message.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

impl Error {
    /// The error itself, without the text of a request for vectors that it is about
    /// ([`InText`](Self::InText)).
    #[must_use]
    pub fn inner(&self) -> &Self {
        match self {
            Self::InText { error, .. } => error.inner(),
            error => error,
        }
    }
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
