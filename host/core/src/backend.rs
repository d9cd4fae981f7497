//! The seam: what serves a model, whatever it is made of.
//!
//! A backend implements [`Backend`] and [`BackendSession`], and a [`Source`] that loads it.
//! Everybody else stands on [`Model`], [`Session`](crate::Session) and
//! [`Generation`](crate::Generation), which hold such objects and do what is the same for all
//! backends: they resolve settings, number requests, write the last line of each to the log, and
//! tell the observer.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;

use mynah_settings::{Effective, Settings};

use crate::request_log::RequestLog;
use crate::{
    About, Model, Owner, OwnerShare, Presence, Prompt, Result, SessionStatus, Status, StreamWriter,
    TextStream, TokenId,
};

/// A result that is waited for. Dropping it cancels what would have given it.
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// A model that is served: in this process, or across the network.
///
/// Every call but [`unload`](Self::unload), and [`tokens`](Self::tokens) and
/// [`BackendSession::start`] of a model that is not [ready](Self::is_ready), returns without
/// waiting for the model's work.
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// What the model is and what the backend can do with it.
    fn about(&self) -> Arc<About>;

    /// Opens a conversation. `session` is its number, which no other of this process has. Dropping
    /// the session closes it.
    ///
    /// # Errors
    ///
    /// [`Error::TooManySessions`] when as many are open as may be.
    fn open_session(&self, session: u64, owner: &Owner) -> Result<Box<dyn BackendSession>>;

    /// The tokens of a prompt, as a request with it would have them.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] where the backend has no [`Feature::TokenIds`]; else as
    /// [`Session::start`](crate::Session::start)'s for the prompt.
    fn tokens(&self, prompt: &Prompt) -> Result<Vec<TokenId>>;

    /// Whether a request would not have to wait until the model is loaded, or can be reached.
    fn is_ready(&self) -> bool;

    /// Waits until the model is ready, loading it where it isn't.
    ///
    /// # Errors
    ///
    /// As those of the [`Source`]'s load.
    fn ready(&self) -> Pending<()>;

    /// What the model is doing, in one consistent look that takes microseconds.
    fn snapshot(&self) -> Snapshot;

    /// What each owner was served, in the order of their names. Nobody where the model is not in
    /// memory, or the backend doesn't know.
    fn owners(&self) -> Vec<OwnerShare>;

    /// Whether the backend does its work. A model that is not in memory counts as alive.
    fn is_alive(&self) -> bool;

    /// Takes the model out of memory if no generation of it lives, and waits for that. Says whether
    /// it is out of memory. The next request loads it again.
    fn unload(&self) -> bool;

    /// Whether [`Source::load`] of this source would give this very model, as it is now.
    fn is_from(&self, source: &dyn Source) -> bool;
}

/// What a model is doing.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// What the model is and what its backend can do with it.
    pub about: Arc<About>,
    /// Counters and states.
    pub status: Status,
    /// Whether it is in memory, and since when.
    pub presence: Presence,
}

/// A conversation, on the side of the backend. Dropping it closes it, and cancels nothing: the
/// [`Session`](crate::Session) cancels its generation.
pub trait BackendSession: fmt::Debug + Send + Sync {
    /// Checks a request and begins it, or puts it in the queue. Everything that is wrong with it is
    /// answered here, before any model work.
    ///
    /// The backend calls [`TextRequest::resolve`] for the settings, and [`About::check_text`] for
    /// what it can't do.
    ///
    /// # Errors
    ///
    /// See [`Session::start`](crate::Session::start).
    fn start(&mut self, request: TextRequest<'_>) -> Result<Started>;

    /// Checks a request for vectors and begins it, or puts it in the queue.
    ///
    /// # Errors
    ///
    /// See [`Session::embed`](crate::Session::embed).
    fn embed(&mut self, request: VectorRequest<'_>) -> Result<Pending<Embeddings>>;

    /// What the session does now; `None` where the backend knows nothing of it.
    fn status(&self) -> Option<SessionStatus>;
}

/// A request for text.
#[derive(Debug)]
pub struct TextRequest<'a> {
    /// What the model is to continue.
    pub prompt: Prompt,
    /// What the request sets.
    pub settings: Settings,
    /// What the session sets where the request says nothing.
    pub session_settings: &'a Settings,
    /// The text of each token is an event of its own.
    pub by_token: bool,
    /// Who asks.
    pub owner: &'a Owner,
    /// Its number, its session, and its lines in the log. The backend keeps it until the request
    /// has ended, and ends it ([`RequestLog::end`]).
    pub log: &'a Arc<RequestLog>,
}

impl TextRequest<'_> {
    /// The settings in force for the request with this model, with a seed drawn where none is set.
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

    /// A stream for the answer, whose text the backend writes. `max_unread_bytes` bounds what waits
    /// for the reader.
    #[must_use]
    pub fn stream(&self, max_unread_bytes: usize) -> (StreamWriter, Arc<TextStream>) {
        let stream = Arc::new(match self.by_token {
            true => TextStream::by_token(max_unread_bytes),
            false => TextStream::new(max_unread_bytes),
        });
        (StreamWriter::new(Arc::clone(&stream)), stream)
    }
}

/// A request for text that was begun, or waits in the queue.
#[derive(Debug)]
pub struct Started {
    /// Where its answer arrives.
    pub stream: Arc<TextStream>,
    /// The settings in force.
    pub settings: Arc<Effective>,
    /// The backend's side of it.
    pub producer: Box<dyn Producer>,
}

/// The backend's side of a running generation. It is dropped when the end has been delivered, or
/// the reader has gone, from any thread: dropping it must not wait.
pub trait Producer: fmt::Debug + Send + Sync {
    /// The reader took text from a full stream, cancelled, or went away: look at the stream again.
    fn wake(&self);
}

/// A request for vectors.
#[derive(Debug)]
pub struct VectorRequest<'a> {
    /// The texts.
    pub texts: &'a [Prompt],
    /// What the request sets. Those of scheduling and `max_time` count.
    pub settings: Settings,
    /// What the session sets where the request says nothing.
    pub session_settings: &'a Settings,
    /// Who asks.
    pub owner: &'a Owner,
    /// Its number, its session, and its lines in the log; as for [`TextRequest::log`].
    pub log: &'a Arc<RequestLog>,
}

impl VectorRequest<'_> {
    /// The settings in force for the request with this model.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] with every setting that is out of range.
    pub fn resolve(&self, about: &About) -> Result<Effective> {
        resolve(&self.settings, self.session_settings, about)
    }
}

/// Vectors of texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// One for each text, in their order; all of the same dimension, and of length 1.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens of all texts.
    pub prompt_tokens: u32,
}

/// Where a model is loaded from. Two sources that are the same give one model, loaded once.
pub trait Source: Any + fmt::Debug + Send + Sync {
    /// Loads the model, or reaches it. Blocks until it is ready.
    ///
    /// `progress` is given the share that is done, from 0.0 to 1.0, and may end the load.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`] with the backend's own words, [`Error::Settings`], or
    /// [`Error::LoadCancelled`].
    fn load(&self, progress: ProgressFn) -> Result<Model>;

    /// Whether both give the same model.
    fn is_same(&self, other: &dyn Source) -> bool;
}

impl dyn Source {
    /// The source, if it is of this type.
    #[must_use]
    pub fn downcast_ref<S: Source>(&self) -> Option<&S> {
        let any: &dyn Any = self;
        any.downcast_ref()
    }
}

/// Follows a load: it is given the share that is done, from 0.0 to 1.0, and says whether to go on.
pub type ProgressFn = Box<dyn FnMut(f32) -> ControlFlow<()> + Send>;

/// What a progress function may answer: nothing, or whether to go on. [`ControlFlow::Break`] ends
/// the load.
pub trait Progress {
    /// Whether to go on.
    fn flow(self) -> ControlFlow<()>;
}

impl Progress for () {
    fn flow(self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl Progress for ControlFlow<()> {
    fn flow(self) -> ControlFlow<()> {
        self
    }
}

/// A progress function of any kind as [`Source::load`] takes it.
pub fn progress_fn<P: Progress>(mut progress: impl FnMut(f32) -> P + Send + 'static) -> ProgressFn {
    Box::new(move |share| progress(share).flow())
}

/// Loads models that guests bring as bytes.
pub trait GuestLoader: fmt::Debug + Send + Sync {
    /// Whether models of this format are served.
    fn serves(&self, format: ModelFormat) -> bool;

    /// What a guest should give it, for errors: such as `a GGUF model as ggml or autodetect`.
    fn wants(&self) -> &'static str;

    /// Whether this host computes on this kind of device.
    fn has_device(&self, device: DeviceClass) -> bool;

    /// Loads a model. Blocks until it is ready. Nothing of it may stay behind when the model goes,
    /// and no error may name a file of the host.
    ///
    /// # Errors
    ///
    /// As [`Source::load`]'s.
    fn load(&self, bytes: &[u8], progress: ProgressFn) -> Result<Model>;
}

/// The format of a model that a guest brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelFormat {
    /// GGUF, as llama.cpp and other programs on ggml read it.
    Ggml,
    /// OpenVINO's.
    OpenVino,
    /// ONNX.
    Onnx,
    /// TensorFlow's.
    TensorFlow,
    /// PyTorch's.
    PyTorch,
    /// TensorFlow Lite's.
    TensorFlowLite,
}

/// What computes a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceClass {
    /// The processor.
    Cpu,
    /// A graphics card.
    Gpu,
    /// A tensor processor.
    Tpu,
}

fn resolve(settings: &Settings, session: &Settings, about: &About) -> Result<Effective> {
    settings.check()?;
    let merged = settings
        .clone()
        .or(session)
        .or(&about.defaults)
        .or(&about.recommended);
    Ok(merged.resolve(draw_seed))
}

/// A seed that differs each time: the standard library's hash keys are random for the process and
/// count up.
fn draw_seed() -> u32 {
    use std::hash::{BuildHasher, RandomState};

    let bits = RandomState::new().hash_one(std::time::Instant::now());
    // The upper half is as random as the lower. The highest number is no seed, see `Seed`.
    u32::try_from(bits >> 32).map_or(0, |seed| seed.min(u32::MAX - 1))
}
