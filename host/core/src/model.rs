//! A model, whatever serves it.

use std::borrow::Borrow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::status::IgnoredKeys;
use crate::{
    About, Backend, ModelInfo, Observer, Owner, OwnerShare, Prompt, Report, Result, Session,
    Source, Status,
};

/// A model, served by some backend. Clones share it; when the last clone and session is gone, and
/// the last generation, the backend lets it go.
///
/// A model may leave memory while nobody uses it, and comes back with the next request:
/// [`ready`](Self::ready) waits for that without blocking.
#[derive(Debug, Clone)]
pub struct Model {
    shared: Arc<Shared>,
    observer: Option<Observer>,
}

#[derive(Debug)]
struct Shared {
    backend: Arc<dyn Backend>,
    ignored_keys: IgnoredKeys,
}

impl Model {
    /// A model that this backend serves.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            shared: Arc::new(Shared {
                backend,
                ignored_keys: IgnoredKeys::default(),
            }),
            observer: None,
        }
    }

    /// The same model, with an observer that is called for every request of the sessions that are
    /// opened with this handle and its clones.
    #[must_use]
    pub fn with_observer(self, observer: Observer) -> Self {
        Self {
            observer: Some(observer),
            ..self
        }
    }

    /// Whether a request would not have to wait until the model is loaded, or can be reached.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.backend().is_ready()
    }

    /// Waits until the model is in memory, loading it on a thread of its own where it isn't.
    /// Requests load it in any case; this is for callers that may not block. Should the model be
    /// unloaded in between, they block all the same.
    ///
    /// # Errors
    ///
    /// As those of loading it.
    pub async fn ready(&self) -> Result<()> {
        if self.is_loaded() {
            return Ok(());
        }
        self.backend().ready().await
    }

    /// Takes the model out of memory if no generation of it lives, and waits for that. Says whether
    /// it is out of memory. The next request loads it again.
    pub fn unload(&self) -> bool {
        self.backend().unload()
    }

    /// Opens a conversation. The owner is the unit of fairness: give the sessions of one owner the
    /// same [`Owner`].
    ///
    /// # Errors
    ///
    /// [`Error::TooManySessions`](crate::Error::TooManySessions) when as many are open as may be.
    pub fn session(&self, owner: Owner) -> Result<Session> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let session = self.backend().open_session(number, &owner)?;
        Ok(Session::new(self.clone(), session, owner, number))
    }

    /// What the model is.
    #[must_use]
    pub fn info(&self) -> Arc<ModelInfo> {
        Arc::clone(&self.about().info)
    }

    /// What the model is, which backend serves it, and what that can do with it.
    #[must_use]
    pub fn about(&self) -> Arc<About> {
        self.backend().about()
    }

    /// What the model is doing; where it is not in memory, what it had done when it last was.
    #[must_use]
    pub fn status(&self) -> Status {
        self.backend().snapshot().status
    }

    /// What there is to know of the model, in five kinds: what every view of it shows.
    #[must_use]
    pub fn report(&self) -> Report {
        Report::new(&self.backend().snapshot(), self.shared.ignored_keys.all())
    }

    /// What each owner was served, in the order of their names: all that want something now, and
    /// those of late, up to some thousand. Empty where the model is not in memory.
    #[must_use]
    pub fn owners(&self) -> Vec<OwnerShare> {
        self.backend().owners()
    }

    /// Notes a key that a guest sent with its settings and that sets nothing, for the
    /// [report](Self::report).
    pub fn note_ignored_key(&self, key: &str, hint: &str) {
        self.shared.ignored_keys.note(key, hint);
    }

    /// Whether the backend does its work: its loop waits for something to do, or began its round
    /// less than a minute ago, which is far more than a step takes. A model that is not in memory
    /// counts as alive.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.backend().is_alive()
    }

    /// Whether both are the same model, in memory once.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// The tokens of a prompt, as a request with it would have them: ids from 0 to the vocabulary's
    /// size.
    ///
    /// # Errors
    ///
    /// As [`Session::start`]'s for the prompt: empty, too long, or one that the chat template can't
    /// render; [`Error::Unsupported`](crate::Error::Unsupported) where the backend has no token
    /// ids.
    pub fn tokens(&self, prompt: impl Borrow<Prompt>) -> Result<Vec<u32>> {
        let tokens = self.backend().tokens(prompt.borrow())?;
        Ok(tokens
            .into_iter()
            .map(|token| token.0.cast_unsigned())
            .collect())
    }

    /// Whether loading this source would give this very model.
    pub(crate) fn is_from(&self, source: &dyn Source) -> bool {
        self.backend().is_from(source)
    }

    pub(crate) fn observer(&self) -> Option<&Observer> {
        self.observer.as_ref()
    }

    fn backend(&self) -> &dyn Backend {
        &*self.shared.backend
    }
}
