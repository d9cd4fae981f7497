//! The interface between the host and the backends that serve models.
//!
//! A backend implements [`Backend`] and [`BackendSession`], and a [`Source`](crate::Source) that
//! loads it. All other code uses [`Model`](crate::Model), [`Session`](crate::Session) and
//! [`Generation`](crate::Generation). These hold the backend's objects and do what is the same for
//! all backends: they resolve settings, number requests, write the last log line of each request,
//! and notify the observer.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use mynah_settings::{Effective, Settings};

use crate::request_log::RequestLog;
use crate::{
    About, Error, Owner, OwnerShare, Prompt, Result, SessionStatus, Snapshot, StreamWriter,
    TextStream, TokenId,
};

/// A future result. Dropping it cancels the work.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// A served model, in this process or across the network.
///
/// No call blocks, except [`unload`](Self::unload). Work whose length the caller chooses, such as
/// tokenising, is done elsewhere, and a [`Pending`] waits for it.
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// The model and what the backend can do with it.
    fn about(&self) -> Arc<About>;

    /// Opens a conversation. `session` is its number, unique in this process. Dropping the session
    /// closes it.
    ///
    /// # Errors
    ///
    /// [`Error::TooManySessions`] if the maximum number of sessions
    /// is open.
    fn open_session(&self, session: u64, owner: &Owner) -> Result<Box<dyn BackendSession>>;

    /// The tokens that a request of this owner with this prompt would have. Loads the model if it
    /// is not ready.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] if the backend has no
    /// [`Feature::TokenIds`](crate::Feature::TokenIds); otherwise the errors of
    /// [`Session::start`](crate::Session::start) for the prompt.
    fn tokens<'a>(&'a self, prompt: Prompt, owner: &'a Owner) -> Pending<'a, Vec<TokenId>>;

    /// The bytes of tokens. A control token has none, or its name if `control` is true. Loads the
    /// model if it is not ready.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] if the backend has no
    /// [`Feature::TokenIds`](crate::Feature::TokenIds);
    /// [`Error::UnknownToken`] for an id that the model does not have.
    fn detokenise<'a>(
        &'a self,
        tokens: Vec<u32>,
        control: bool,
        owner: &'a Owner,
    ) -> Pending<'a, Vec<u8>>;

    /// Whether a request would start without loading the model or connecting to it first.
    fn is_ready(&self) -> bool;

    /// Waits until the model is ready, and loads it if necessary.
    ///
    /// # Errors
    ///
    /// Those of [`Source::load`](crate::Source::load).
    fn ready(&self) -> Pending<'_, ()>;

    /// A consistent snapshot of the model's state. Takes microseconds.
    fn snapshot(&self) -> Snapshot;

    /// The name under which the model is granted, for the log lines that are about no request. A
    /// model may be granted under several names; its first one comes first. The default ignores
    /// them.
    fn granted_as(&self, _name: &str) {}

    /// The work done for each owner, ordered by name. Empty if the model is not in memory, or the
    /// backend does not know.
    fn owners(&self) -> Vec<OwnerShare>;

    /// Whether the backend is working. A model that is not in memory counts as alive.
    fn is_alive(&self) -> bool;

    /// Unloads the model if it has no running generation, and waits for that. Returns whether it is
    /// out of memory. The next request loads it again.
    fn unload(&self) -> bool;

    /// Whether [`Source::load`](crate::Source::load) of this source would return this model in its
    /// current version.
    fn is_from(&self, source: &dyn Any) -> bool;
}

/// The backend's side of a conversation. Dropping it closes the conversation, but cancels nothing:
/// [`Session`](crate::Session) cancels its generation.
pub trait BackendSession: fmt::Debug + Send + Sync {
    /// Checks and prepares a request, and starts or queues it. All errors of the request are
    /// returned here, before the model does any work.
    ///
    /// The time limits of the request are in force from the call on. Dropping the future cancels
    /// the request, and leaves the session as it was.
    ///
    /// The backend calls [`TextRequest::resolve`] for the settings, and [`About::check_text`] to
    /// refuse unsupported features.
    ///
    /// # Errors
    ///
    /// See [`Session::start`](crate::Session::start).
    fn start<'a>(&'a mut self, request: TextRequest<'a>) -> Pending<'a, Started>;

    /// Checks and prepares a request for vectors, and starts or queues it. The result waits for the
    /// vectors.
    ///
    /// # Errors
    ///
    /// See [`Session::embed`](crate::Session::embed).
    fn embed<'a>(
        &'a mut self,
        request: VectorRequest<'a>,
    ) -> Pending<'a, Pending<'static, Embeddings>>;

    /// Scores of documents for a query. Only a backend with
    /// [`Feature::Ranking`](crate::Feature::Ranking) is asked; the default is for all others.
    ///
    /// # Errors
    ///
    /// See [`Session::rank`](crate::Session::rank).
    fn rank<'a>(&'a mut self, _request: RankRequest<'a>) -> Pending<'a, Scores> {
        Box::pin(async { Err(Error::Unavailable) })
    }

    /// The state of the session. `None` if the backend does not know it.
    fn status(&self) -> Option<SessionStatus>;
}

/// A request for text.
#[derive(Debug)]
pub struct TextRequest<'a> {
    /// The prompt.
    pub prompt: Prompt,
    /// The settings of the request.
    pub settings: Settings,
    /// The settings of the session, for those that the request does not set.
    pub session_settings: &'a Settings,
    /// Whether the text of each token is a separate event.
    pub by_token: bool,
    /// The owner of the request.
    pub owner: &'a Owner,
    /// Its number, session and log lines. The backend keeps it until the request has ended, and
    /// then calls [`RequestLog::end`].
    pub log: &'a Arc<RequestLog>,
}

impl TextRequest<'_> {
    /// The effective settings of the request with this model. Draws a seed if none is set.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] with every setting that is out of range.
    pub fn resolve(&self, about: &About) -> Result<Arc<Effective>> {
        let effective = resolve(&self.settings, self.session_settings, about)?;
        let effective = Arc::new(effective);
        self.log.set_settings(&effective);
        Ok(effective)
    }

    /// A stream for the answer, to which the backend writes the text. `max_unread_bytes` limits the
    /// unread text.
    #[must_use]
    pub fn stream(&self, max_unread_bytes: usize) -> (StreamWriter, Arc<TextStream>) {
        let stream = Arc::new(match self.by_token {
            true => TextStream::by_token(max_unread_bytes),
            false => TextStream::new(max_unread_bytes),
        });
        self.log.set_stream(&stream);
        (StreamWriter::new(Arc::clone(&stream)), stream)
    }
}

/// A request for text that was started or queued.
#[derive(Debug)]
pub struct Started {
    /// The stream of the answer.
    pub stream: Arc<TextStream>,
    /// The effective settings.
    pub settings: Arc<Effective>,
    /// The backend's side of the generation.
    pub producer: Box<dyn Producer>,
}

/// The backend's side of a running generation. It is dropped on any thread after the end was
/// delivered or the reader was dropped. Dropping it must not wait.
pub trait Producer: fmt::Debug + Send + Sync {
    /// Notifies the backend that the reader took text from a full stream, cancelled, or was
    /// dropped.
    fn wake(&self);
}

/// A request for vectors.
#[derive(Debug)]
pub struct VectorRequest<'a> {
    /// The texts.
    pub texts: &'a [Prompt],
    /// The settings of the request. Only those of scheduling and `max_time` have an effect.
    pub settings: Settings,
    /// The settings of the session, for those that the request does not set.
    pub session_settings: &'a Settings,
    /// The owner of the request.
    pub owner: &'a Owner,
    /// Its number, session and log lines, as in [`TextRequest::log`].
    pub log: &'a Arc<RequestLog>,
}

impl VectorRequest<'_> {
    /// The effective settings of the request with this model.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] with every setting that is out of range.
    pub fn resolve(&self, about: &About) -> Result<Effective> {
        resolve(&self.settings, self.session_settings, about)
    }
}

/// Vectors of texts.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Embeddings {
    /// One for each text, in their order. All have the same dimension, and the length 1.
    pub vectors: Vec<Vec<f32>>,
    /// Number of tokens of all texts.
    pub prompt_tokens: u32,
}

/// A request for scores.
#[derive(Debug)]
pub struct RankRequest<'a> {
    /// The query.
    pub query: &'a str,
    /// The documents.
    pub documents: &'a [String],
    /// The settings of the request. Only those of scheduling and `max_time` have an effect.
    pub settings: Settings,
    /// The settings of the session, for those that the request does not set.
    pub session_settings: &'a Settings,
    /// The owner of the request.
    pub owner: &'a Owner,
    /// Its number, session and log lines, as in [`TextRequest::log`].
    pub log: &'a Arc<RequestLog>,
}

/// Scores of documents.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Scores {
    /// One for each document, in their order: the higher, the better it answers the query.
    pub scores: Vec<f32>,
    /// Number of tokens of all that was read.
    pub prompt_tokens: u32,
}

fn resolve(settings: &Settings, session: &Settings, about: &About) -> Result<Effective> {
    settings.check()?;
    Ok(about.merged(settings.clone(), session).resolve(draw_seed))
}

/// Draws a random seed. The hash keys of the standard library are random for the process, and count
/// up with each hasher.
fn draw_seed() -> u32 {
    use std::hash::{BuildHasher, RandomState};

    let bits = RandomState::new().hash_one(std::time::Instant::now());
    // The upper half is as random as the lower. The highest number is not a valid seed, see `Seed`.
    u32::try_from(bits >> 32).map_or(0, |seed| seed.min(u32::MAX - 1))
}
