//! The locked state of a request queue, and how waiting requests end.

use std::time::{Duration, Instant};

use mynah_core::{
    EmbeddingStatus, Error, Meter, Owner, RequestOutcome, Requests, Result, SessionState, Status,
};
use mynah_schedule::{FairQueue, Fairness, NotOpen, Pace, SessionLimits, Sessions};

use crate::decode::EmbedJob;
use crate::decode::job::{Job, QueueLimit, Waits};

#[derive(Debug)]
pub(super) struct State {
    pub(super) texts: FairQueue<Job>,
    // Requests for vectors. Both queues together hold as many as one may.
    pub(super) embeddings: FairQueue<EmbedJob>,
    pub(super) fairness: Fairness,
    pub(super) pace: Pace,
    pub(super) requests: Requests,
    pub(super) sessions: Sessions,
    // Something happened since the worker last looked: a request, a cancel, or a reader has read.
    pub(super) woken: bool,
    // When the worker began its last step; `None` while it waits for something to do.
    pub(super) working_since: Option<Instant>,
    // When the last request ended, or the model was loaded.
    pub(super) ended_at: Instant,
    pub(super) meter: Meter,
    // The text loop's last status.
    pub(super) published: Status,
    // The embedder's last status: its number of running requests, and its counters.
    pub(super) embedding: (usize, EmbeddingStatus),
    // Where the text loop last had the sessions, in the order of their numbers.
    pub(super) positions: Vec<SessionPosition>,
}

/// Where the text loop has a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::decode) struct SessionPosition {
    pub(in crate::decode) session: u64,
    pub(in crate::decode) state: SessionState,
    pub(in crate::decode) tokens: u32,
}

impl State {
    pub(super) fn new(queue_size: usize, ageing: Duration, sessions: SessionLimits) -> Self {
        let now = Instant::now();
        Self {
            texts: FairQueue::new(queue_size, ageing),
            embeddings: FairQueue::new(queue_size, ageing),
            fairness: Fairness::default(),
            pace: Pace::default(),
            requests: Requests::default(),
            sessions: Sessions::new(sessions),
            woken: false,
            working_since: None,
            ended_at: now,
            meter: Meter::new(now),
            published: Status::default(),
            embedding: (0, EmbeddingStatus::default()),
            positions: Vec::new(),
        }
    }

    /// The error of a session that cannot be opened or entered.
    pub(super) fn session_error(&self, opened: std::result::Result<(), NotOpen>) -> Result<()> {
        opened.map_err(|not_open| match not_open {
            NotOpen::TooMany => Error::TooManySessions {
                limit: self.sessions.most(),
            },
            NotOpen::Closed(idle) => Error::SessionClosed { idle },
        })
    }

    /// Sessions without a request, in each of these states.
    pub(super) fn idle_in<const N: usize>(&self, states: [SessionState; N]) -> [u32; N] {
        let mut idle = [0; N];
        for position in &self.positions {
            let state = states.iter().position(|state| *state == position.state);
            if let Some(count) = state.and_then(|state| idle.get_mut(state)) {
                let life = self.sessions.life(position.session);
                *count += u32::from(life.is_some_and(|(_, requests)| requests == 0));
            }
        }
        idle
    }

    /// Requests that wait.
    pub(super) fn queued(&self) -> usize {
        self.texts.len() + self.embeddings.len()
    }

    /// Ends the waiting requests that were cancelled.
    pub(super) fn end_cancelled(&mut self) {
        fn of<W: Waits>(state: &mut State, queue: fn(&mut State) -> &mut FairQueue<W>) {
            for (ticket, job) in queue(state).take_out(|_, job| job.is_cancelled()) {
                state.ended(&ticket.owner, job.session(), &RequestOutcome::Cancelled);
                job.end(RequestOutcome::Cancelled, Instant::now());
            }
        }
        of(self, |state| &mut state.texts);
        of(self, |state| &mut state.embeddings);
    }

    /// Ends the requests that have waited for as long as they may.
    pub(super) fn end_late(&mut self, now: Instant) {
        fn of<W: Waits>(
            state: &mut State,
            now: Instant,
            queue: fn(&mut State) -> &mut FairQueue<W>,
        ) {
            for (ticket, job) in queue(state).take_out(|ticket, _| ticket.deadline <= now) {
                let QueueLimit { time, setting } = job.queue_limit();
                let outcome = RequestOutcome::TimedOut(Error::QueueTimeout {
                    waited: now.saturating_duration_since(ticket.asked_at),
                    limit: time,
                    setting,
                });
                state.ended(&ticket.owner, job.session(), &outcome);
                job.end(outcome, now);
            }
        }
        of(self, now, |state| &mut state.texts);
        of(self, now, |state| &mut state.embeddings);
    }

    /// Counts the end of a request.
    pub(super) fn ended(&mut self, owner: &Owner, session: u64, outcome: &RequestOutcome<Error>) {
        self.fairness.leave(owner);
        let now = Instant::now();
        self.sessions.end(session, now);
        self.ended_at = now;
        self.requests.count(outcome);
    }
}
