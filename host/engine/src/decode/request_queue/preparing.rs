//! Requests that are being prepared: they have a limit of their own, beside that of the queue, and
//! their sessions count as busy.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use mynah_core::{Error, Owner, Result};

use super::queue::RequestQueue;

/// The number of requests that are being prepared, of each owner that has one.
#[derive(Debug, Default)]
pub(super) struct Preparations {
    of_owner: HashMap<Arc<str>, usize>,
    all: usize,
}

impl Preparations {
    pub(super) fn is_empty(&self) -> bool {
        self.all == 0
    }

    fn of_owner(&self, owner: &Owner) -> usize {
        self.of_owner.get(owner.key()).copied().unwrap_or_default()
    }

    fn begin(&mut self, owner: &Owner) {
        *self.of_owner.entry(Arc::clone(owner.key())).or_default() += 1;
        self.all += 1;
    }

    fn end(&mut self, owner: &Owner) {
        self.all -= 1;
        let of_owner = self.of_owner(owner) - 1;
        if of_owner == 0 {
            self.of_owner.remove(owner.key());
        } else {
            self.of_owner.insert(Arc::clone(owner.key()), of_owner);
        }
    }
}

/// A request that is being prepared, until this is dropped.
#[derive(Debug)]
pub(crate) struct Preparing {
    queue: Arc<RequestQueue>,
    owner: Owner,
    session: Option<u64>,
}

impl RequestQueue {
    /// Begins to prepare a request of this owner, and of a session if it is one for text or
    /// vectors. As many may be prepared at once as may wait in the queue.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] or [`Error::OwnerBusy`] if that many already are.
    pub(crate) fn prepare(
        self: &Arc<Self>,
        owner: &Owner,
        session: Option<u64>,
    ) -> Result<Preparing> {
        let mut state = self.lock();
        let (all, of_owner) = (state.preparing.all, state.preparing.of_owner(owner));
        if let Err(error) = state.check_room(all, of_owner) {
            state.requests.refused += 1;
            return Err(error);
        }
        state.preparing.begin(owner);
        if let Some(session) = session {
            state.sessions.begin(session);
        }
        Ok(Preparing {
            queue: Arc::clone(self),
            owner: owner.clone(),
            session,
        })
    }
}

impl Preparing {
    /// Waits until the request is prepared. Counts it if its time is over first, or if its caller
    /// drops this future.
    ///
    /// # Errors
    ///
    /// Those of `prepared`.
    pub(crate) async fn finish<T>(&self, prepared: impl Future<Output = Result<T>>) -> Result<T> {
        let waiting = Waiting(&self.queue);
        let prepared = prepared.await;
        std::mem::forget(waiting);
        if matches!(prepared, Err(Error::QueueTimeout { .. })) {
            let mut state = self.queue.lock();
            state.requests.accepted += 1;
            state.requests.timed_out += 1;
        }
        prepared
    }
}

/// A caller that waits until its request is prepared. Dropped, it has given up.
struct Waiting<'a>(&'a RequestQueue);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.requests.accepted += 1;
        state.requests.cancelled += 1;
    }
}

impl Drop for Preparing {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.preparing.end(&self.owner);
        let now = Instant::now();
        if let Some(session) = self.session {
            state.sessions.end(session, now);
        }
        state.ended_at = now;
    }
}
