//! What the worker is told: requests that wait, and that something happened.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use llama_cpp_2::token::LlamaToken;

use super::{Sampler, Writer};
use crate::schedule::{Full, Line};
use crate::{Error, Result, Status};

/// A request that is checked and ready to run.
#[derive(Debug)]
pub(crate) struct Job {
    /// At least one token, all of them in the vocabulary, fewer than the context holds.
    pub(crate) prompt: Vec<LlamaToken>,
    pub(crate) sampler: Sampler,
    pub(crate) max_tokens: u32,
    pub(crate) outlet: Writer,
    pub(crate) asked_at: Instant,
}

/// What a model's handles and its worker share.
#[derive(Debug)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    told: Condvar,
    // Apart from the lock, since llama.cpp's abort callback asks thousands of times a second.
    closed: AtomicBool,
    status: Mutex<Status>,
    queue_timeout: Duration,
}

#[derive(Debug)]
struct State {
    line: Line<Job>,
    // Something happened since the worker last looked: a cancel, or room in an outlet.
    woken: bool,
}

/// What the worker finds.
#[derive(Debug)]
pub(super) struct News {
    /// Requests that begin now, oldest first.
    pub(super) admitted: Vec<Job>,
    /// Requests that were cancelled while they waited.
    pub(super) cancelled: Vec<Job>,
    /// Requests that waited for longer than they may.
    pub(super) expired: Vec<Job>,
}

impl Inbox {
    pub(crate) fn new(queue_size: usize, queue_timeout: Duration) -> Self {
        Self {
            queue_timeout,
            state: Mutex::new(State {
                line: Line::new(queue_size),
                woken: false,
            }),
            told: Condvar::new(),
            closed: AtomicBool::new(false),
            status: Mutex::default(),
        }
    }

    /// Puts a request in the line and wakes the worker.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when the line is full, [`Error::Unavailable`] when the worker has ended.
    pub(crate) fn submit(&self, job: Job) -> Result<()> {
        let mut state = self.lock();
        // Looked at under the lock: the worker takes the last requests out after it was closed.
        if self.is_closed() {
            return Err(Error::Unavailable);
        }
        // Those that nobody waits for any more hold no place.
        for job in state.line.take_out(|job| job.outlet.is_cancelled()) {
            super::sequence::finish_unstarted(job);
        }
        let capacity = state.line.capacity();
        state
            .line
            .push(job)
            .map_err(|Full(queued)| Error::Busy { queued, capacity })?;
        drop(state);
        self.told.notify_one();
        Ok(())
    }

    /// Wakes the worker, so that it sees a cancel, or room in an outlet.
    pub(crate) fn wake(&self) {
        self.lock().woken = true;
        self.told.notify_one();
    }

    /// Ends the worker, within one node of llama.cpp's graph.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.wake();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Takes what there is, `room` requests at most. Waits for news while there is none, unless the worker has
    /// `work_left`; that is asked under the lock, so a reader that makes room meanwhile is not missed.
    pub(super) fn news(&self, room: usize, work_left: impl Fn() -> bool) -> News {
        let mut state = self.lock();
        loop {
            let cancelled = state.line.take_out(|job| job.outlet.is_cancelled());
            let expired = state.line.take_out(|job| self.time_left(job).is_zero());
            let admitted: Vec<Job> = (0..room).map_while(|_| state.line.pop()).collect();
            let news = !admitted.is_empty() || !cancelled.is_empty() || !expired.is_empty();
            if news || std::mem::take(&mut state.woken) || self.is_closed() || work_left() {
                return News {
                    admitted,
                    cancelled,
                    expired,
                };
            }
            // All may wait equally long, so the first in the line is the first to run out of time.
            state = match state.line.first().map(|job| self.time_left(job)) {
                None => {
                    let woken = self.told.wait(state);
                    woken.unwrap_or_else(PoisonError::into_inner)
                }
                Some(left) => {
                    let woken = self.told.wait_timeout(state, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn time_left(&self, job: &Job) -> Duration {
        self.queue_timeout.saturating_sub(job.asked_at.elapsed())
    }

    pub(super) fn queue_timeout(&self) -> Duration {
        self.queue_timeout
    }

    /// Takes all requests that wait: the worker ends.
    pub(super) fn take_all(&self) -> Vec<Job> {
        self.lock().line.take_out(|_| true)
    }

    pub(super) fn publish(&self, status: Status) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    pub(crate) fn status(&self) -> Status {
        let queued = self.lock().line.len();
        let published = *self.status.lock().unwrap_or_else(PoisonError::into_inner);
        Status {
            queued,
            ..published
        }
    }

    /// A panic while the lock was held can't leave the state half changed: every change is one call.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
