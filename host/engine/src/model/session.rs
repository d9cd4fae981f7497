//! The engine's side of a conversation with a GGUF model.

use std::sync::{Arc, Weak};

use mynah_core::{
    BackendSession, Embeddings, Pending, Result, SessionStatus, Started, TextRequest, VectorRequest,
};

use super::fit::Past;
use super::loaded::Loaded;
use super::slot::Slot;

/// A conversation with a GGUF model.
#[derive(Debug)]
pub(super) struct LocalSession {
    slot: Arc<Slot>,
    /// The model in which it is open. That may have been unloaded or replaced since.
    at: Weak<Loaded>,
    number: u64,
    past: Past,
}

impl LocalSession {
    /// Opens a session. The model counts it if it is in memory.
    ///
    /// # Errors
    ///
    /// [`Error::TooManySessions`](mynah_core::Error::TooManySessions) if the maximum number of
    /// sessions is open.
    pub(super) fn open(slot: &Arc<Slot>, number: u64) -> Result<Self> {
        let loaded = slot.loaded();
        if let Some(loaded) = &loaded {
            loaded.queue.open_session(number)?;
        }
        Ok(Self {
            slot: Arc::clone(slot),
            at: loaded.as_ref().map_or_else(Weak::new, Arc::downgrade),
            number,
            past: Past::default(),
        })
    }

    /// The current model, in which the session is open from here on.
    fn enter(&mut self) -> Result<Arc<Loaded>> {
        let loaded = self.slot.current()?;
        if !std::ptr::eq(self.at.as_ptr(), Arc::as_ptr(&loaded)) {
            loaded.queue.open_session(self.number)?;
            self.leave();
            self.at = Arc::downgrade(&loaded);
        }
        loaded.queue.enter_session(self.number)?;
        self.past.is_of(&loaded.known.about.info);
        Ok(loaded)
    }

    /// Closes the session in its model.
    fn leave(&self) {
        if let Some(loaded) = self.at.upgrade() {
            // Also wakes the worker.
            loaded.queue.close_session(self.number);
            Loaded::let_go(loaded);
        }
    }
}

impl BackendSession for LocalSession {
    fn start(&mut self, request: TextRequest<'_>) -> Result<Started> {
        let loaded = self.enter()?;
        let started = loaded.start(request, self.number, &mut self.past);
        Loaded::let_go(loaded);
        started
    }

    fn embed(&mut self, request: VectorRequest<'_>) -> Result<Pending<Embeddings>> {
        let loaded = self.enter()?;
        let pending = loaded.embed(&request, self.number);
        Loaded::let_go(loaded);
        pending
    }

    fn status(&self) -> Option<SessionStatus> {
        let loaded = self.at.upgrade()?;
        let status = loaded.queue.session_status(self.number);
        Loaded::let_go(loaded);
        status
    }
}

impl Drop for LocalSession {
    fn drop(&mut self) {
        self.leave();
    }
}
