//! One conversation with a model.

use std::sync::{Arc, Weak};
use std::time::Instant;

use mynah_settings::{SettingInForce, Settings, in_force};

use crate::log::{CONTENT, log_request, shows_content};
use crate::request_log::RequestLog;
use crate::{
    BackendSession, Embeddings, Error, Feature, Generation, Model, Owner, Pending, Prompt,
    RankRequest, RequestOutcome, Result, Scores, SessionState, SessionStatus, Task, TextRequest,
    TextStream, Usage, VectorRequest,
};

/// One conversation with a model. It runs one generation at a time. Dropping it cancels that.
#[derive(Debug)]
pub struct Session {
    model: Model,
    owner: Owner,
    settings: Settings,
    number: u64,
    // Time of its last request.
    used_at: Instant,
    current: Weak<TextStream>,
    // The last field, so that the generation is cancelled before the backend closes the session.
    backend: Box<dyn BackendSession>,
}

impl Session {
    pub(crate) fn new(
        model: Model,
        backend: Box<dyn BackendSession>,
        owner: Owner,
        number: u64,
    ) -> Self {
        Self {
            model,
            owner,
            settings: Settings::default(),
            number,
            used_at: Instant::now(),
            current: Weak::new(),
            backend,
        }
    }

    /// Sets the settings of this session, for those that a request does not set. They replace the
    /// previous ones. A running generation is not affected.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] with every setting that is out of range. Then nothing is changed.
    pub fn configure(&mut self, settings: Settings) -> Result<()> {
        settings.check()?;
        self.settings = settings;
        Ok(())
    }

    /// Every setting with its effective value for a request that sets none, and the level that set
    /// it. Settings for missing features of the backend ([`Feature`]) are omitted.
    #[must_use]
    pub fn effective(&self) -> Vec<SettingInForce> {
        let about = self.model.about();
        let all = in_force(&about.levels(&self.settings));
        let has = |setting: &SettingInForce| about.capabilities.have(setting);
        all.into_iter().filter(has).collect()
    }

    /// Waits until [`start`](Self::start) would not have to load the model.
    ///
    /// # Errors
    ///
    /// See [`Model::ready`].
    pub async fn ready(&self) -> Result<()> {
        self.model.ready().await
    }

    /// Checks, tokenises and queues a request. All errors of the request are returned here, before
    /// the model does any work. If the model is not in memory, this loads it first.
    ///
    /// The time limits of the request (`queue_timeout`, `max_time`) begin when the model is in
    /// memory. Dropping the future cancels the request. Requests of different sessions enter the
    /// queue in the order in which they are prepared, which is not always the order of the calls.
    ///
    /// # Errors
    ///
    /// A setting out of range, an empty or too long prompt, an unknown token, messages that the
    /// model's template cannot render, a session that already generates ([`Error::SessionBusy`]), a
    /// deterministic request if sequences share their KV cells ([`Error::NotDeterministic`]), a
    /// model that cannot be loaded again, a full queue ([`Error::Busy`],
    /// [`Error::OwnerBusy`]), a time limit that was reached before the request was in the queue
    /// ([`Error::QueueTimeout`]), a session that was closed because it was idle
    /// ([`Error::SessionClosed`]), or a host that ends ([`Error::Stopping`]).
    pub async fn start(&mut self, prompt: Prompt, settings: Settings) -> Result<Generation> {
        self.begin(prompt, settings, false).await
    }

    /// Like [`start`](Self::start), but the text of each token is a separate event, and
    /// [`Generation::next`] returns one event at a time. A token whose text is held back, or is a
    /// part of a character, comes with a later one.
    ///
    /// # Errors
    ///
    /// Those of [`start`](Self::start).
    pub async fn start_by_token(
        &mut self,
        prompt: Prompt,
        settings: Settings,
    ) -> Result<Generation> {
        self.begin(prompt, settings, true).await
    }

    async fn begin(
        &mut self,
        prompt: Prompt,
        settings: Settings,
        by_token: bool,
    ) -> Result<Generation> {
        self.ready().await?;
        let log = self.log(match &prompt {
            Prompt::Messages(_) => Task::Chat,
            Prompt::Text(_) | Prompt::Tokens(_) => Task::Complete,
        });
        if shows_content() {
            log_request!(INFO, CONTENT, log, ?prompt, "prompt");
        }
        let unfinished = Unfinished(&log);
        let started = self.try_start(prompt, settings, by_token, &log).await;
        unfinished.prepared(&started);
        started
    }

    async fn try_start(
        &mut self,
        prompt: Prompt,
        settings: Settings,
        by_token: bool,
        log: &Arc<RequestLog>,
    ) -> Result<Generation> {
        let is_open = |stream: Arc<TextStream>| stream.is_open();
        if self.current.upgrade().is_some_and(is_open) {
            return Err(Error::SessionBusy);
        }
        self.model.check_running()?;
        self.used_at = Instant::now();
        let started = self.backend.start(TextRequest {
            prompt,
            settings,
            session_settings: &self.settings,
            by_token,
            owner: &self.owner,
            log,
        });
        let started = started.await?;
        let generation = Generation::new(started, log.number);
        self.current = Arc::downgrade(generation.stream());
        Ok(generation)
    }

    /// Whether a request with these settings is one for vectors ([`embed`](Self::embed)): the value
    /// of `embedding`, or, if it is not set, whether the model only gives vectors.
    #[must_use]
    pub fn wants_vectors(&self, settings: &Settings) -> bool {
        let about = self.model.about();
        let below = self.settings.output.over(&about.defaults.output);
        let asked = settings.output.over(below).embedding;
        asked.unwrap_or(!about.capabilities.has(Feature::Text))
    }

    /// The vectors of texts, each of length 1. The model's vectors of the tokens are pooled as its
    /// file defines, or as a mean if it does not. This does not disturb a generation of the
    /// session. Dropping the future cancels the request.
    ///
    /// Of the settings, only those of scheduling and `max_time` have an effect. The maximum number
    /// of tokens of a text is the context size of the session.
    ///
    /// # Errors
    ///
    /// Those of [`start`](Self::start) that do not concern generation; no text or too many
    /// ([`Error::TooManyTexts`]), a model without vectors ([`Error::NoVectors`]), or a request that
    /// exceeded its maximum time ([`Error::MaxTime`]).
    pub async fn embed(&mut self, texts: &[Prompt], settings: Settings) -> Result<Embeddings> {
        self.ready().await?;
        let log = self.log(Task::Embed);
        if shows_content() {
            log_request!(INFO, CONTENT, log, ?texts, "texts");
        }
        let unfinished = Unfinished(&log);
        let asked = self.try_embed(texts, settings, &log).await;
        unfinished.prepared(&asked);
        let mut answer = asked?;
        // Below the answer, so that it is dropped first: the request is cancelled before the
        // backend may go with the answer.
        let reader = VectorReader(Arc::downgrade(&log));
        // From here on the backend owns it.
        drop(log);
        let answered = answer.as_mut().await;
        reader.has_answer();
        answered
    }

    async fn try_embed(
        &mut self,
        texts: &[Prompt],
        settings: Settings,
        log: &Arc<RequestLog>,
    ) -> Result<Pending<'static, Embeddings>> {
        self.model.check_running()?;
        self.used_at = Instant::now();
        let asked = self.backend.embed(VectorRequest {
            texts,
            settings,
            session_settings: &self.settings,
            owner: &self.owner,
            log,
        });
        asked.await
    }

    /// The tokens that a request of this session with this prompt would have, as
    /// [`Model::tokens`].
    ///
    /// # Errors
    ///
    /// Those of [`Model::tokens`].
    pub async fn tokens(&self, prompt: Prompt) -> Result<Vec<u32>> {
        self.model.tokens_for(prompt, &self.owner).await
    }

    /// The bytes of tokens, as [`Model::detokenise`].
    ///
    /// # Errors
    ///
    /// Those of [`Model::detokenise`].
    pub async fn detokenise(&self, tokens: Vec<u32>, control: bool) -> Result<Vec<u8>> {
        let owner = &self.owner;
        self.model.detokenise_for(tokens, control, owner).await
    }

    /// Scores of documents for a query: the higher, the better a document answers it.
    ///
    /// Of the settings, only those of scheduling and `max_time` have an effect. Dropping the future
    /// cancels the request.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] if the model does not rank; otherwise those of
    /// [`embed`](Self::embed).
    pub async fn rank(
        &mut self,
        query: &str,
        documents: &[String],
        settings: Settings,
    ) -> Result<Scores> {
        self.model.about().require(Feature::Ranking)?;
        self.ready().await?;
        self.model.check_running()?;
        self.used_at = Instant::now();
        let log = self.log(Task::Rank);
        if shows_content() {
            log_request!(INFO, CONTENT, log, query, ?documents, "documents");
        }
        let unfinished = Unfinished(&log);
        let asked = self.backend.rank(RankRequest {
            query,
            documents,
            settings,
            session_settings: &self.settings,
            owner: &self.owner,
            log: &log,
        });
        let scores = asked.await;
        unfinished.prepared(&scores);
        scores
    }

    /// The log of a new request.
    fn log(&self, task: Task) -> Arc<RequestLog> {
        let observer = self.model.observer().cloned();
        let log = RequestLog::new(
            self.model.name(),
            self.model.info(),
            self.number,
            self.owner.clone(),
            task,
            observer,
        );
        log.count_in(self.model.request_count());
        log
    }

    /// The state of the session.
    #[must_use]
    pub fn status(&self) -> SessionStatus {
        let status = self.backend.status();
        status.unwrap_or(SessionStatus {
            id: self.number,
            state: SessionState::Cold,
            tokens: 0,
            last_used: self.used_at.elapsed(),
        })
    }

    /// The number of the session, unique in this process. The log calls it `session`.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The owner.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The model of this session.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }
}

/// A request that is being prepared. If it is dropped, the caller has given up.
struct Unfinished<'a>(&'a RequestLog);

impl Unfinished<'_> {
    /// Ends the request if it was turned away. Otherwise its backend ends it.
    fn prepared<T>(self, result: &Result<T>) {
        if let Err(error) = result {
            self.0
                .end(RequestOutcome::turned_away(error), &Usage::default());
        }
        std::mem::forget(self);
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.0.end(RequestOutcome::Cancelled, &Usage::default());
    }
}

/// Who waits for the vectors of a request. Dropping it before there is an answer cancels the
/// request.
struct VectorReader(Weak<RequestLog>);

impl VectorReader {
    fn has_answer(mut self) {
        self.0 = Weak::new();
    }
}

impl Drop for VectorReader {
    fn drop(&mut self) {
        if let Some(log) = self.0.upgrade() {
            log.cancel();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(stream) = self.current.upgrade() {
            // A reader may still read the text so far, and the end.
            stream.cancel();
        }
    }
}
