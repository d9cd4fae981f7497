//! One conversation with a model.

use std::sync::{Arc, Weak};
use std::time::Instant;

use mynah_settings::{Level, SettingInForce, Settings, in_force};

use crate::log::{CONTENT, log_request, shows_content};
use crate::request_log::RequestLog;
use crate::{
    BackendSession, Embeddings, Error, Feature, Generation, Model, Owner, Pending, Prompt,
    RequestOutcome, Result, SessionState, SessionStatus, Task, TextRequest, TextStream, Usage,
    VectorRequest,
};

/// One conversation with a model. It runs one generation at a time; dropping it cancels that.
#[derive(Debug)]
pub struct Session {
    model: Model,
    owner: Owner,
    settings: Settings,
    number: u64,
    // When it last made a request.
    used_at: Instant,
    current: Weak<TextStream>,
    // Last, so that its generation is cancelled before the backend closes it.
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

    /// Sets how text is made in this session where the request doesn't say. What was set before is
    /// forgotten; a generation that runs goes on as it began.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] with every setting that is out of range; then nothing is changed.
    pub fn configure(&mut self, settings: Settings) -> Result<()> {
        settings.check()?;
        self.settings = settings;
        Ok(())
    }

    /// Every setting as it is in force for a request that sets nothing itself, and who said so.
    /// Settings of what the backend can't do ([`Feature`]) are left out.
    #[must_use]
    pub fn effective(&self) -> Vec<SettingInForce> {
        let about = self.model.about();
        let all = in_force(&[
            (Level::Session, &self.settings),
            (Level::Model, &about.defaults),
            (Level::File, &about.recommended),
        ]);
        let has = |setting: &SettingInForce| about.capabilities.have(setting);
        all.into_iter().filter(has).collect()
    }

    /// Waits until [`start`](Self::start) doesn't have to load the model first.
    ///
    /// # Errors
    ///
    /// See [`Model::ready`].
    pub async fn ready(&self) -> Result<()> {
        self.model.ready().await
    }

    /// Checks, tokenises and queues a request. Everything that is wrong with it is answered here,
    /// before any model work.
    ///
    /// A model that is not in memory is loaded first, which blocks: see [`ready`](Self::ready).
    /// Tokenising takes time in proportion to the prompt, which [`ModelConfig::max_prompt_bytes`]
    /// bounds.
    ///
    /// [`ModelConfig::max_prompt_bytes`]: crate::ModelConfig::max_prompt_bytes
    ///
    /// # Errors
    ///
    /// A setting out of range, an empty or too long prompt, an unknown token, messages that the
    /// model's template can't render, a session that generates already ([`Error::SessionBusy`]), a
    /// deterministic request where sequences share their KV cells ([`Error::NotDeterministic`]), a
    /// model that can't be loaded again, a full queue ([`Error::Busy`]), or a session that was
    /// closed because nobody had used it ([`Error::SessionClosed`]).
    pub fn start(&mut self, prompt: Prompt, settings: Settings) -> Result<Generation> {
        self.begin(prompt, settings, false)
    }

    /// As [`start`](Self::start), but the text of each token is an event of its own, and
    /// [`Generation::next`] gives one event at a time: text that waits is not put together. A token
    /// whose text is held back, or is part of a character, comes with a later one.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start)'s.
    pub fn start_by_token(&mut self, prompt: Prompt, settings: Settings) -> Result<Generation> {
        self.begin(prompt, settings, true)
    }

    fn begin(&mut self, prompt: Prompt, settings: Settings, by_token: bool) -> Result<Generation> {
        let log = self.log(match &prompt {
            Prompt::Messages(_) => Task::Chat,
            Prompt::Text(_) | Prompt::Tokens(_) => Task::Complete,
        });
        if shows_content() {
            log_request!(INFO, CONTENT, log, ?prompt, "prompt");
        }
        let started = self.try_start(prompt, settings, by_token, &log);
        if let Err(error) = &started {
            log.end(RequestOutcome::turned_away(error), &Usage::default());
        }
        started
    }

    fn try_start(
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
        self.used_at = Instant::now();
        let started = self.backend.start(TextRequest {
            prompt,
            settings,
            session_settings: &self.settings,
            by_token,
            owner: &self.owner,
            log,
        })?;
        let generation = Generation::new(started, log.number);
        self.current = Arc::downgrade(generation.stream());
        Ok(generation)
    }

    /// Whether a request with these settings is one for vectors ([`embed`](Self::embed)): what
    /// `embedding` says, else whether the model has nothing else to give.
    #[must_use]
    pub fn wants_vectors(&self, settings: &Settings) -> bool {
        let about = self.model.about();
        let below = self.settings.output.over(&about.defaults.output);
        let asked = settings.output.over(below).embedding;
        asked.unwrap_or(!about.capabilities.has(Feature::Text))
    }

    /// The vectors of texts, each of length 1: what the model makes of their tokens, pooled as its
    /// file says, as a mean where it says nothing. Does not disturb a generation of this session.
    /// Dropping the future cancels the request.
    ///
    /// Of the settings, those of scheduling and `max_time` count. A text has at most as many tokens
    /// as the session's context.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start)'s but for generating; no text or too many
    /// ([`Error::TooManyTexts`]), a model that has no vectors ([`Error::NoVectors`]), or a request
    /// that had its time ([`Error::MaxTime`]).
    pub async fn embed(&mut self, texts: &[Prompt], settings: Settings) -> Result<Embeddings> {
        self.ready().await?;
        let log = self.log(Task::Embed);
        if shows_content() {
            log_request!(INFO, CONTENT, log, ?texts, "texts");
        }
        let asked = self.try_embed(texts, settings, &log);
        if let Err(error) = &asked {
            log.end(RequestOutcome::turned_away(error), &Usage::default());
        }
        // The backend has it from here on.
        drop(log);
        asked?.await
    }

    fn try_embed(
        &mut self,
        texts: &[Prompt],
        settings: Settings,
        log: &Arc<RequestLog>,
    ) -> Result<Pending<Embeddings>> {
        self.used_at = Instant::now();
        self.backend.embed(VectorRequest {
            texts,
            settings,
            session_settings: &self.settings,
            owner: &self.owner,
            log,
        })
    }

    /// The log of a new request.
    fn log(&self, task: Task) -> Arc<RequestLog> {
        let observer = self.model.observer().cloned();
        RequestLog::new(
            self.model.info(),
            self.number,
            self.owner.clone(),
            task,
            observer,
        )
    }

    /// What the session does now.
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

    /// The session's number: no other of this process has it. The log calls it `session`.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Who asks.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The model that this session talks to.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(stream) = self.current.upgrade() {
            // A reader may still read what was made, and the end.
            stream.cancel();
        }
    }
}
