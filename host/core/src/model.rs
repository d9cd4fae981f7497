//! A model, independent of its backend.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crate::status::IgnoredKeys;
use crate::{
    About, Backend, Error, ModelInfo, Observer, Owner, OwnerShare, Prompt, Report, Result, Session,
    Status,
};

/// A model that a backend serves. Clones share it. The backend unloads it when the last clone,
/// session and generation are dropped.
///
/// An unused model may be unloaded, and is loaded again for the next request.
/// [`ready`](Self::ready) waits for that without blocking.
#[derive(Debug, Clone)]
pub struct Model {
    shared: Arc<Shared>,
    observer: Option<Observer>,
    /// The name in the registry that gave this handle.
    granted: Option<Arc<str>>,
}

#[derive(Debug)]
struct Shared {
    backend: Arc<dyn Backend>,
    ignored_keys: IgnoredKeys,
    is_stopping: AtomicBool,
    // Requests without an end.
    open_requests: Arc<AtomicUsize>,
}

impl Model {
    /// Creates a model from its backend.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            shared: Arc::new(Shared {
                backend,
                ignored_keys: IgnoredKeys::default(),
                is_stopping: AtomicBool::new(false),
                open_requests: Arc::default(),
            }),
            observer: None,
            granted: None,
        }
    }

    /// The same model with the name under which it is granted. The log and the observer call the
    /// model by this name in all that concerns the sessions of this handle and its clones.
    /// [`Registry`](crate::Registry) gives its names to the models that it hands out.
    #[must_use]
    pub fn granted_as(self, name: &str) -> Self {
        self.backend().granted_as(name);
        Self {
            granted: Some(name.into()),
            ..self
        }
    }

    /// The name under which the model is granted, or its own name if it is granted under none.
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        let own = || self.about().info.name.as_str().into();
        self.granted.clone().unwrap_or_else(own)
    }

    /// The same model with an observer. The observer is called for every request of the sessions
    /// that are opened with this handle and its clones.
    #[must_use]
    pub fn with_observer(self, observer: Observer) -> Self {
        Self {
            observer: Some(observer),
            ..self
        }
    }

    /// Whether a request would start without loading the model or connecting to it first.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.backend().is_ready()
    }

    /// Waits until the model is in memory, and loads it on its own thread if necessary. Requests
    /// load the model anyway.
    ///
    /// # Errors
    ///
    /// Those of loading it.
    pub async fn ready(&self) -> Result<()> {
        if self.is_loaded() {
            return Ok(());
        }
        self.backend().ready().await
    }

    /// Unloads the model if it has no running generation, and waits for that. Returns whether it is
    /// out of memory. The next request loads it again.
    pub fn unload(&self) -> bool {
        self.backend().unload()
    }

    /// Refuses all new requests from now on with [`Error::Stopping`], for
    /// good. Requests that were made before go on. For hosts that end.
    pub fn stop(&self) {
        self.shared.is_stopping.store(true, Ordering::Relaxed);
    }

    /// The number of requests that were made and have not ended: those that are being prepared,
    /// that wait and that run, for text and for vectors. A request counts until its end is in the
    /// log and has been passed to the observer.
    #[must_use]
    pub fn open_requests(&self) -> usize {
        self.shared.open_requests.load(Ordering::Acquire)
    }

    /// The counter of [`open_requests`](Self::open_requests).
    pub(crate) fn request_count(&self) -> &Arc<AtomicUsize> {
        &self.shared.open_requests
    }

    /// Checks that the host is not stopping.
    pub(crate) fn check_running(&self) -> Result<()> {
        match self.shared.is_stopping.load(Ordering::Relaxed) {
            true => Err(Error::Stopping),
            false => Ok(()),
        }
    }

    /// Opens a conversation. Fairness applies to owners, so all sessions of one owner should have
    /// the same [`Owner`].
    ///
    /// # Errors
    ///
    /// [`Error::TooManySessions`] if the maximum number of sessions
    /// is open.
    pub fn session(&self, owner: Owner) -> Result<Session> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let session = self.backend().open_session(number, &owner)?;
        Ok(Session::new(self.clone(), session, owner, number))
    }

    /// The description of the model.
    #[must_use]
    pub fn info(&self) -> Arc<ModelInfo> {
        Arc::clone(&self.about().info)
    }

    /// The model, its backend, and what the backend can do with it.
    #[must_use]
    pub fn about(&self) -> Arc<About> {
        self.backend().about()
    }

    /// The current state of the model, or its last state if it is not in memory.
    #[must_use]
    pub fn status(&self) -> Status {
        self.backend().snapshot().status
    }

    /// The full report on the model, which every view shows, in five parts.
    #[must_use]
    pub fn report(&self) -> Report {
        Report::new(&self.backend().snapshot(), self.shared.ignored_keys.all())
    }

    /// The work done for each owner, ordered by name: all owners with requests, and a few thousand
    /// recent ones. Empty if the model is not in memory.
    #[must_use]
    pub fn owners(&self) -> Vec<OwnerShare> {
        self.backend().owners()
    }

    /// Records a key in a guest's settings that has no effect, for the [report](Self::report).
    pub fn note_ignored_key(&self, key: &str, hint: &str) {
        self.shared.ignored_keys.note(key, hint);
    }

    /// Whether the backend is working: its loop is idle, or started its current round less than a
    /// minute ago, which is far more than a step takes. A model that is not in memory counts as
    /// alive.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.backend().is_alive()
    }

    /// Whether both handles share one model in memory.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// The tokens that a request with this prompt would have: ids from 0 to the vocabulary's size,
    /// exclusive.
    ///
    /// # Errors
    ///
    /// Those of [`Session::start`] for the prompt: it is empty, too long, or the chat template
    /// cannot render it. [`Error::Unsupported`] if the backend has no
    /// token ids.
    pub async fn tokens(&self, prompt: Prompt) -> Result<Vec<u32>> {
        self.tokens_for(prompt, &Owner::unique()).await
    }

    pub(crate) async fn tokens_for(&self, prompt: Prompt, owner: &Owner) -> Result<Vec<u32>> {
        let tokens = self.backend().tokens(prompt, owner).await?;
        Ok(tokens
            .into_iter()
            .map(|token| token.0.cast_unsigned())
            .collect())
    }

    /// The bytes of tokens, which may end within a character. A control token has none, or its name
    /// if `control` is true.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownToken`] for an id that the model does not have; [`Error::PromptTooLarge`] if
    /// there are too many (four bytes each count as those of a prompt); [`Error::Unsupported`] if
    /// the backend has no token ids.
    pub async fn detokenise(&self, tokens: Vec<u32>, control: bool) -> Result<Vec<u8>> {
        self.detokenise_for(tokens, control, &Owner::unique()).await
    }

    pub(crate) async fn detokenise_for(
        &self,
        tokens: Vec<u32>,
        control: bool,
        owner: &Owner,
    ) -> Result<Vec<u8>> {
        self.backend().detokenise(tokens, control, owner).await
    }

    /// Whether loading this source would return this model.
    pub(crate) fn is_from(&self, source: &dyn Any) -> bool {
        self.backend().is_from(source)
    }

    pub(crate) fn observer(&self) -> Option<&Observer> {
        self.observer.as_ref()
    }

    fn backend(&self) -> &dyn Backend {
        &*self.shared.backend
    }
}

#[cfg(test)]
mod tests {
    use mynah_settings::Settings;

    use super::*;
    use crate::testing::{Gate, Scripted, Step};
    use crate::{Event, FinishReason};

    /// Newcomer 24.
    #[tokio::test]
    async fn a_stopped_model_refuses_new_requests_and_finishes_those_that_run() {
        let gate = Gate::default();
        let script = {
            let gate = gate.clone();
            move |_: &Prompt| vec![Step::Wait(gate.clone()), "the answer".into()]
        };
        let model = Scripted::new(script).into_model();
        let mut session = model.session(Owner::unique()).unwrap();
        let prompt = || Prompt::Text("a question".into());
        let running = session.start(prompt(), Settings::default()).await;
        let mut running = running.unwrap();
        assert_eq!(model.open_requests(), 1);
        model.clone().stop();
        let mut other = model.session(Owner::unique()).unwrap();
        let refused = other.start(prompt(), Settings::default()).await;
        assert!(matches!(refused, Err(Error::Stopping)), "{refused:?}");
        let refused = other.embed(&[prompt()], Settings::default()).await;
        assert!(matches!(refused, Err(Error::Stopping)), "{refused:?}");
        gate.open();
        let mut events = Vec::new();
        loop {
            let next = running.next().await.unwrap();
            if next.is_empty() {
                break;
            }
            events.extend(next);
        }
        let Some(Event::Finished(end)) = events.last() else {
            panic!("{events:?}");
        };
        assert_eq!(end.reason, FinishReason::EndOfGeneration);
        drop((running, session));
        assert_eq!(model.open_requests(), 0);
    }
}
