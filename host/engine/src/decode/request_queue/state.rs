//! The locked state of a request queue, and how waiting requests end.

use std::time::{Duration, Instant};

use mynah_core::{
    EmbeddingStatus, Error, Meter, Owner, RequestOutcome, Requests, Result, SessionState, Status,
};
use mynah_schedule::{FairQueue, Fairness, NotOpen, Pace, SessionLimits, Sessions};

use super::preparing::Preparations;
use crate::decode::EmbedJob;
use crate::decode::job::{Job, Waits};

/// How many requests may wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueLimits {
    /// Of all owners together.
    pub(crate) all: usize,
    /// Of one owner.
    pub(crate) of_owner: usize,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) texts: FairQueue<Job>,
    // Requests for vectors. Both queues together hold as many as one may.
    pub(super) embeddings: FairQueue<EmbedJob>,
    // Requests that are prepared, before they are in a queue.
    pub(super) preparing: Preparations,
    owner_capacity: usize,
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
    pub(super) fn new(limits: QueueLimits, ageing: Duration, sessions: SessionLimits) -> Self {
        let now = Instant::now();
        Self {
            texts: FairQueue::new(limits.all, ageing),
            embeddings: FairQueue::new(limits.all, ageing),
            preparing: Preparations::default(),
            owner_capacity: limits.of_owner,
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
            NotOpen::TooManyOfOwner => Error::TooManyOwnerSessions {
                limit: self.sessions.most_of_owner(),
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

    /// Checks that one more request may wait where `queued` do, `of_owner` of them of its owner.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] or [`Error::OwnerBusy`].
    pub(super) fn check_room(&self, queued: usize, of_owner: usize) -> Result<()> {
        // There is room as soon as one request leaves the queue.
        let estimated_wait = self.pace.wait_behind(1, Instant::now());
        let capacity = self.texts.capacity();
        if queued >= capacity {
            return Err(Error::Busy {
                queued,
                capacity,
                estimated_wait,
            });
        }
        if of_owner >= self.owner_capacity {
            return Err(Error::OwnerBusy {
                queued: of_owner,
                capacity: self.owner_capacity,
                estimated_wait,
            });
        }
        Ok(())
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
                let late = job.queue_limit().late(ticket.asked_at, now);
                let outcome = RequestOutcome::TimedOut(late);
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
