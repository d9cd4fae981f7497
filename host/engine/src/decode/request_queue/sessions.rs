//! The sessions of a model: opening, entering and closing them, and their states.

use std::time::Instant;

use mynah_core::{Owner, Result, SessionState, SessionStatus};

use super::queue::RequestQueue;

impl RequestQueue {
    /// Opens a session of this owner, if there may be one more.
    ///
    /// # Errors
    ///
    /// [`Error::TooManySessions`](mynah_core::Error::TooManySessions), or
    /// [`Error::TooManyOwnerSessions`](mynah_core::Error::TooManyOwnerSessions).
    pub(crate) fn open_session(&self, session: u64, owner: &Owner) -> Result<()> {
        let mut state = self.lock();
        let opened = state.sessions.open(session, owner.key(), Instant::now());
        state.woken = true;
        let opened = state.session_error(opened);
        drop(state);
        // The worker may have to wake earlier now: the idle time of a first session has begun.
        self.notify();
        opened
    }

    /// Notes that a session is about to ask.
    ///
    /// # Errors
    ///
    /// [`Error::SessionClosed`](mynah_core::Error::SessionClosed) where it was closed, or those of
    /// [`open_session`](Self::open_session) where it can't be opened again.
    pub(crate) fn enter_session(&self, session: u64, owner: &Owner) -> Result<()> {
        let mut state = self.lock();
        let entered = state.sessions.enter(session, owner.key(), Instant::now());
        state.session_error(entered)
    }

    /// Notes that the handle of a session is gone.
    pub(crate) fn close_session(&self, session: u64) {
        self.lock().sessions.leave(session);
        // Its entry in the cache may now belong to no session.
        self.wake();
    }

    /// Closes the sessions that were idle for too long, if the operator requests that or memory
    /// `is_short`. Returns those that were closed since the last call.
    pub(in crate::decode) fn sweep_sessions(&self, now: Instant, is_short: bool) -> Vec<u64> {
        self.lock().sessions.sweep(now, is_short)
    }

    /// What an open session does; `None` if it is not open.
    pub(crate) fn session_status(&self, session: u64) -> Option<SessionStatus> {
        let state = self.lock();
        let (since, requests) = state.sessions.life(session)?;
        let positions = &state.positions;
        let position = positions
            .binary_search_by_key(&session, |position| position.session)
            .ok()
            .and_then(|index| positions.get(index));
        let is_begun = |state| matches!(state, SessionState::Running | SessionState::Preempted);
        Some(SessionStatus {
            id: session,
            state: match position {
                Some(position) if requests == 0 || is_begun(position.state) => position.state,
                _ if requests > 0 => SessionState::Waiting,
                _ => SessionState::Cold,
            },
            tokens: position.map_or(0, |position| position.tokens),
            last_used: Instant::now().saturating_duration_since(since),
        })
    }
}
