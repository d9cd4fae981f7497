//! The queue: handles add requests, and the worker takes them, or waits if there are none.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytesize::ByteSize;
use mynah_core::log::{TASK, log_request};
use mynah_core::{Error, MemoryUse, PressureLevel, Result};
use mynah_schedule::{FairQueue, Head, SessionLimits};

use super::state::{QueueLimits, State};
use crate::decode::EmbedJob;
use crate::decode::job::{Job, Waits};
use crate::decode::log_name::LogName;
use crate::memory_limit::MemoryWatch;

/// The requests that wait for a model, and what else its handles and its worker share.
#[derive(Debug)]
pub(crate) struct RequestQueue {
    state: Mutex<State>,
    // Notified when something happens.
    changed: Condvar,
    memory: MemoryWatch,
    // The name of the model in the log.
    model: LogName,
    // Apart from the lock, since llama.cpp's abort callback asks thousands of times a second.
    closed: AtomicBool,
}

impl RequestQueue {
    pub(crate) fn new(
        limits: QueueLimits,
        ageing: Duration,
        sessions: SessionLimits,
        memory: MemoryWatch,
        model: LogName,
    ) -> Self {
        Self {
            memory,
            model,
            state: Mutex::new(State::new(limits, ageing, sessions)),
            changed: Condvar::new(),
            closed: AtomicBool::new(false),
        }
    }

    /// Queues a request and wakes the worker.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when the queue is full, [`Error::OwnerBusy`] when the owner's part of it is,
    /// [`Error::MemoryShort`] when memory is,
    /// [`Error::Unavailable`] when the worker has ended.
    pub(crate) fn submit(&self, job: Job) -> Result<()> {
        self.push(job, |state| &mut state.texts)
    }

    /// As [`submit`](Self::submit), for vectors.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    pub(crate) fn submit_embedding(&self, job: EmbedJob) -> Result<()> {
        self.push(job, |state| &mut state.embeddings)
    }

    fn push<W: Waits>(&self, job: W, queue: fn(&mut State) -> &mut FairQueue<W>) -> Result<()> {
        let short = self.memory_short(ByteSize(0));
        let mut state = self.lock();
        // Under the lock, since the worker takes the last requests out after it was closed.
        if self.is_closed() {
            return Err(Error::Unavailable);
        }
        if let Some(error) = short {
            state.requests.refused += 1;
            return Err(error);
        }
        // Cancelled requests take up no room.
        state.end_cancelled();
        let ticket = job.ticket();
        let (owner, session) = (ticket.owner.clone(), job.session());
        let queued = state.queued();
        let of_owner = state.texts.of_owner(&owner) + state.embeddings.of_owner(&owner);
        if let Err(error) = state.check_room(queued, of_owner) {
            state.requests.refused += 1;
            return Err(error);
        }
        // Before the worker can log that it began.
        log_request!(
            DEBUG,
            TASK,
            job.log(),
            prompt_tokens = ticket.prompt_tokens,
            priority = ticket.priority.name(),
            before = queued,
            "request queued"
        );
        // There is room: neither of the queues holds more than both together may.
        let _ = queue(&mut state).push(ticket, job);
        if !state.texts.is_empty() {
            state.pace.note_wait(Instant::now());
        }
        state.requests.accepted += 1;
        state.fairness.join(&owner);
        state.sessions.begin(session);
        state.woken = true;
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Checks that the process may take this much more memory for a while.
    ///
    /// # Errors
    ///
    /// [`Error::MemoryShort`].
    pub(crate) fn check_memory(&self, more: ByteSize) -> Result<()> {
        self.memory_short(more).map_or(Ok(()), Err)
    }

    /// Why no request is taken, if the process is that short of memory, or would be with `more`.
    fn memory_short(&self, more: ByteSize) -> Option<Error> {
        let now = self.memory.in_use(Instant::now()).process?;
        let process = MemoryUse {
            used: now.used.saturating_add(more.as_u64()),
            ..now
        };
        let level = PressureLevel::of_process(Some(process), self.memory.threshold());
        (level == PressureLevel::Refuse).then_some(Error::MemoryShort {
            used: ByteSize(process.used),
            limit: ByteSize(process.limit),
        })
    }

    /// The name of the model in the log.
    pub(crate) fn model(&self) -> &LogName {
        &self.model
    }

    /// What looks at the process's memory.
    pub(in crate::decode) fn memory(&self) -> &MemoryWatch {
        &self.memory
    }

    /// Wakes the worker, so that it sees a cancelled request, or a reader that has read.
    pub(crate) fn wake(&self) {
        self.lock().woken = true;
        self.changed.notify_one();
    }

    /// Lets the worker look at what happened.
    pub(super) fn notify(&self) {
        self.changed.notify_one();
    }

    /// Ends the worker, within one node of llama.cpp's graph.
    pub(crate) fn close(&self) {
        // After the cancels of this thread, so that the worker sees those first.
        self.closed.store(true, Ordering::Release);
        self.wake();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Waits until something happens, until the deadline of a waiting request, or `until` then.
    /// Returns at once if something has happened since the last call.
    pub(in crate::decode) fn wait(&self, until: Option<Instant>) {
        let mut state = self.lock();
        state.working_since = None;
        while !std::mem::take(&mut state.woken) && !self.is_closed() {
            let deadline = [
                until,
                state.texts.next_deadline(),
                state.embeddings.next_deadline(),
                state.sessions.next_deadline(),
            ];
            let Some(deadline) = deadline.into_iter().flatten().min() else {
                let woken = self.changed.wait(state);
                state = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let remaining = deadline.saturating_duration_since(Instant::now());
            if remaining.is_zero() {
                return;
            }
            let woken = self.changed.wait_timeout(state, remaining);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends the waiting requests that were cancelled, or have waited for as long as they may.
    pub(in crate::decode) fn sweep(&self, now: Instant) {
        let mut state = self.lock();
        state.working_since = Some(now);
        state.end_cancelled();
        state.end_late(now);
    }

    /// The request that would go next.
    pub(in crate::decode) fn head(&self, now: Instant) -> Option<Head> {
        let state = self.lock();
        state.texts.head(now, &state.fairness)
    }

    /// Takes the request that goes next.
    pub(in crate::decode) fn pop(&self, now: Instant) -> Option<Job> {
        let mut state = self.lock();
        let State {
            texts,
            fairness,
            pace,
            ..
        } = &mut *state;
        let (ticket, job) = texts.pop(now, fairness)?;
        fairness.begin(&ticket.owner, ticket.prompt_tokens);
        pace.note_start(now, !texts.is_empty());
        Some(job)
    }

    /// Takes the request for vectors that goes next.
    pub(in crate::decode) fn pop_embedding(&self, now: Instant) -> Option<EmbedJob> {
        let mut state = self.lock();
        let State {
            embeddings,
            fairness,
            ..
        } = &mut *state;
        let (ticket, job) = embeddings.pop(now, fairness)?;
        fairness.begin(&ticket.owner, ticket.prompt_tokens);
        Some(job)
    }

    /// Drops all waiting requests when the worker ends. Those that were cancelled end as such; the
    /// readers of the others get an error.
    pub(in crate::decode) fn drop_all(&self) {
        let mut state = self.lock();
        state.end_cancelled();
        let jobs = state.texts.take_out(|_, _| true);
        let embeddings = state.embeddings.take_out(|_, _| true);
        drop(state);
        drop((jobs, embeddings));
    }

    /// A panic while the lock was held leaves the state consistent, because every change is one
    /// call.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
