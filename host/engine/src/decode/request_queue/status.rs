//! The worker's counters and status, which the worker publishes and all handles read.

use std::time::{Duration, Instant};

use mynah_core::{
    EmbeddingStatus, Error, Owner, OwnerShare, RequestOutcome, SessionState, Status, StepNote,
};

use super::queue::RequestQueue;
use super::state::SessionPosition;

/// Far more than a step of the worker takes.
const LONGEST_STEP: Duration = Duration::from_secs(60);

impl RequestQueue {
    /// Counts the tokens of prompts and answers that a step computed for each owner.
    pub(in crate::decode) fn serve<'a>(&self, served: impl Iterator<Item = (&'a Owner, u32, u32)>) {
        let mut state = self.lock();
        for (owner, prompt_tokens, answer_tokens) in served {
            state.fairness.serve(owner, prompt_tokens, answer_tokens);
        }
    }

    /// Takes back what an owner was charged for prompt tokens that were computed already.
    pub(in crate::decode) fn refund(&self, owner: &Owner, prompt_tokens: u32) {
        if prompt_tokens > 0 {
            self.lock().fairness.refund(owner, prompt_tokens);
        }
    }

    /// Counts the end of a request that had left the queue.
    pub(in crate::decode) fn ended(
        &self,
        owner: &Owner,
        session: u64,
        outcome: &RequestOutcome<Error>,
    ) {
        self.lock().ended(owner, session, outcome);
    }

    /// Counts a step.
    pub(in crate::decode) fn note_step(&self, step: &StepNote) {
        self.lock().meter.note(Instant::now(), step);
    }

    /// Publishes the text loop's part of the status, and the states of the sessions.
    pub(in crate::decode) fn publish(&self, status: Status, positions: Vec<SessionPosition>) {
        let mut state = self.lock();
        let before = (
            std::mem::replace(&mut state.published, status),
            std::mem::replace(&mut state.positions, positions),
        );
        // Freed after the lock is released.
        drop(state);
        drop(before);
    }

    /// Publishes the number of running requests for vectors, and the embedder's counters.
    pub(in crate::decode) fn publish_embedding(&self, running: usize, counters: EmbeddingStatus) {
        self.lock().embedding = (running, counters);
    }

    /// The state of the model.
    pub(crate) fn status(&self) -> Status {
        let now = Instant::now();
        let mut state = self.lock();
        let queued = state.queued();
        let oldest = [state.texts.oldest(), state.embeddings.oldest()];
        let oldest = oldest.into_iter().flatten().min();
        let mut queued_by_priority = state.texts.by_priority();
        let embeddings = state.embeddings.by_priority();
        for (all, more) in queued_by_priority.iter_mut().zip(embeddings) {
            *all += more;
        }
        let performance = state.meter.performance(now);
        let (embedding_running, embedding) = state.embedding;
        let [sessions_resident, sessions_parked] =
            state.idle_in([SessionState::Resident, SessionState::Parked]);
        Status {
            queued,
            queued_by_priority,
            queue_capacity: state.texts.capacity(),
            oldest_wait: oldest.map(|asked| now.saturating_duration_since(asked)),
            estimated_wait: state.pace.wait_behind(queued, now),
            sessions: u32::try_from(state.sessions.len()).unwrap_or(u32::MAX),
            sessions_busy: u32::try_from(state.sessions.busy()).unwrap_or(u32::MAX),
            sessions_closed: state.sessions.closed_count(),
            sessions_resident,
            sessions_parked,
            performance,
            requests: state.requests,
            fairness: state.fairness.index(),
            running: state.published.running + embedding_running,
            embedding,
            ..state.published.clone()
        }
    }

    /// The tokens that each owner was served, in the order of their names.
    pub(crate) fn owners(&self) -> Vec<OwnerShare> {
        self.lock().fairness.shares()
    }

    /// Whether the worker waits for something to do, or began its last step not long ago.
    pub(crate) fn is_alive(&self) -> bool {
        let since = self.lock().working_since;
        !self.is_closed() && since.is_none_or(|since| since.elapsed() < LONGEST_STEP)
    }

    /// Since when there has been no request; `None` while there is one.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let state = self.lock();
        let is_idle =
            state.requests.accepted == state.requests.ended() && state.preparing.is_empty();
        is_idle.then_some(state.ended_at)
    }
}
