//! The engine's side of a conversation with a GGUF model.

use std::sync::{Arc, Weak};

use mynah_core::{
    BackendSession, Embeddings, Owner, Pending, Result, SessionStatus, Started, TextRequest,
    VectorRequest,
};

use super::fit::Past;
use super::loaded::{InUse, Loaded};
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
    /// sessions is open, or
    /// [`Error::TooManyOwnerSessions`](mynah_core::Error::TooManyOwnerSessions) that of the owner.
    pub(super) fn open(slot: &Arc<Slot>, number: u64, owner: &Owner) -> Result<Self> {
        let loaded = slot.loaded().map(InUse::new);
        if let Some(loaded) = &loaded {
            loaded.queue.open_session(number, owner)?;
        }
        Ok(Self {
            slot: Arc::clone(slot),
            at: loaded.map_or_else(Weak::new, |loaded| Arc::downgrade(&loaded)),
            number,
            past: Past::default(),
        })
    }

    /// The current model, in which the session is open from here on.
    async fn enter(&mut self, owner: &Owner) -> Result<InUse> {
        let loaded = self.slot.enter().await?;
        if !std::ptr::eq(self.at.as_ptr(), Arc::as_ptr(&loaded)) {
            loaded.queue.open_session(self.number, owner)?;
            self.leave();
            self.at = Arc::downgrade(&loaded);
        }
        loaded.queue.enter_session(self.number, owner)?;
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
    fn start<'a>(&'a mut self, request: TextRequest<'a>) -> Pending<'a, Started> {
        Box::pin(async move {
            let loaded = self.enter(request.owner).await?;
            loaded.start(request, self.number, &mut self.past).await
        })
    }

    fn embed<'a>(
        &'a mut self,
        request: VectorRequest<'a>,
    ) -> Pending<'a, Pending<'static, Embeddings>> {
        Box::pin(async move {
            let loaded = self.enter(request.owner).await?;
            loaded.embed(request, self.number).await
        })
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
