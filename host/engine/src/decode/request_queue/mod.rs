//! What a model's handles and its worker share: the waiting line, who was served what, and that
//! something happened.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytesize::ByteSize;

use super::EmbedJob;
use super::job::{Job, QueueLimit, Waits};
use crate::log::{TASK, log_request};
use crate::memory::PressureLevel;
use crate::memory_limit::MemoryWatch;
use crate::schedule::{Fairness, Full, Head, Line, NotOpen, Pace, SessionLimits, Sessions};
use crate::status::{Meter, StepNote};
use crate::{
    Error, Owner, OwnerShare, RequestOutcome, Requests, Result, SessionState, SessionStatus, Status,
};

/// Far more than a round of the worker takes.
const LONGEST_ROUND: Duration = Duration::from_secs(60);

/// What a model's handles and its worker share.
#[derive(Debug)]
pub(crate) struct RequestQueue {
    state: Mutex<State>,
    told: Condvar,
    memory: MemoryWatch,
    // What the log calls the model.
    model: Arc<str>,
    // Apart from the lock, since llama.cpp's abort callback asks thousands of times a second.
    closed: AtomicBool,
}

#[derive(Debug)]
struct State {
    line: Line<Job>,
    // What waits for vectors. Both lines together hold as many as one may.
    embeddings: Line<EmbedJob>,
    fairness: Fairness,
    pace: Pace,
    requests: Requests,
    sessions: Sessions,
    // Something happened since the worker last looked: a request, a cancel, or room in an outlet.
    woken: bool,
    // Since when the worker works; `None` while it waits for something to do.
    working_since: Option<Instant>,
    // When the last request ended, or the model was loaded.
    ended_at: Instant,
    meter: Meter,
    // What the worker last published of itself, and of where the sessions are.
    published: Status,
    places: Vec<SessionPlace>,
}

/// Where the worker has a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SessionPlace {
    pub(super) session: u64,
    pub(super) state: SessionState,
    pub(super) tokens: u32,
}

impl RequestQueue {
    pub(crate) fn new(
        queue_size: usize,
        ageing: Duration,
        sessions: SessionLimits,
        memory: MemoryWatch,
        model: Arc<str>,
    ) -> Self {
        Self {
            memory,
            model,
            state: Mutex::new(State {
                line: Line::new(queue_size, ageing),
                embeddings: Line::new(queue_size, ageing),
                fairness: Fairness::default(),
                pace: Pace::default(),
                requests: Requests::default(),
                sessions: Sessions::new(sessions),
                woken: false,
                working_since: None,
                ended_at: Instant::now(),
                meter: Meter::new(Instant::now()),
                published: Status::default(),
                places: Vec::new(),
            }),
            told: Condvar::new(),
            closed: AtomicBool::new(false),
        }
    }

    /// Puts a request in the line and wakes the worker.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when the line is full, [`Error::MemoryShort`] when memory is,
    /// [`Error::Unavailable`] when the worker has ended.
    pub(crate) fn submit(&self, job: Job) -> Result<()> {
        self.take_in(job, |state| &mut state.line)
    }

    /// As [`submit`](Self::submit), for vectors.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    pub(crate) fn submit_embedding(&self, job: EmbedJob) -> Result<()> {
        self.take_in(job, |state| &mut state.embeddings)
    }

    fn take_in<W: Waits>(&self, job: W, line: fn(&mut State) -> &mut Line<W>) -> Result<()> {
        let short = self.memory_short();
        let mut state = self.lock();
        // Looked at under the lock: the worker takes the last requests out after it was closed.
        if self.is_closed() {
            return Err(Error::Unavailable);
        }
        if let Some(error) = short {
            state.requests.refused += 1;
            return Err(error);
        }
        // Those that nobody waits for any more hold no place.
        state.take_out_cancelled();
        let ticket = job.ticket();
        let (owner, session) = (ticket.owner.clone(), job.session());
        let capacity = state.line.capacity();
        let queued = state.queued();
        let pushed = match queued < capacity {
            true => {
                // Before anybody can say that it began.
                log_request!(
                    DEBUG,
                    TASK,
                    job.log(),
                    prompt_tokens = ticket.prompt_tokens,
                    priority = ticket.priority.name(),
                    before = queued,
                    "request queued"
                );
                line(&mut state).push(ticket, job)
            }
            false => Err(Full(queued)),
        };
        if let Err(Full(queued)) = pushed {
            state.requests.refused += 1;
            return Err(Error::Busy {
                queued,
                capacity,
                // A place in the line is free as soon as one leaves it.
                estimated_wait: state.pace.wait_behind(1),
            });
        }
        state.requests.accepted += 1;
        state.fairness.join(&owner);
        state.sessions.begin(session);
        state.woken = true;
        drop(state);
        self.told.notify_one();
        Ok(())
    }

    /// Why no request is taken, where the process's memory is that short.
    fn memory_short(&self) -> Option<Error> {
        let process = self.memory.in_use(Instant::now()).process?;
        let level = PressureLevel::of_process(Some(process), self.memory.threshold());
        (level == PressureLevel::Refuse).then_some(Error::MemoryShort {
            used: ByteSize(process.used),
            limit: ByteSize(process.limit),
        })
    }

    /// What the log calls the model.
    pub(crate) fn model(&self) -> &Arc<str> {
        &self.model
    }

    /// What looks at the process's memory.
    pub(super) fn memory(&self) -> &MemoryWatch {
        &self.memory
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

    /// Opens a session, if there may be one more.
    ///
    /// # Errors
    ///
    /// [`Error::TooManySessions`].
    pub(crate) fn open_session(&self, session: u64) -> Result<()> {
        let mut state = self.lock();
        let opened = state.sessions.open(session, Instant::now());
        state.woken = true;
        let told = state.told(opened);
        drop(state);
        // Its place may be another's, and the time of a first one has begun.
        self.told.notify_one();
        told
    }

    /// A session is about to ask.
    ///
    /// # Errors
    ///
    /// [`Error::SessionClosed`] where it was closed, or [`Error::TooManySessions`] where it can't
    /// be opened again.
    pub(crate) fn enter_session(&self, session: u64) -> Result<()> {
        let mut state = self.lock();
        let entered = state.sessions.enter(session, Instant::now());
        state.told(entered)
    }

    /// The handle of a session is gone.
    pub(crate) fn close_session(&self, session: u64) {
        self.lock().sessions.leave(session);
        // What it left may be nobody's now.
        self.wake();
    }

    /// Closes the sessions that nobody has used for too long, where that is done by itself or
    /// `is_short`; returns those that were closed since the last call.
    pub(super) fn sweep_sessions(&self, now: Instant, is_short: bool) -> Vec<u64> {
        self.lock().sessions.sweep(now, is_short)
    }

    /// Waits until something happens, or for as long as it may take (`until`), or until a request
    /// has waited for as long as it may. Returns at once when something has happened since the last
    /// call.
    pub(super) fn wait(&self, until: Option<Instant>) {
        let mut state = self.lock();
        state.working_since = None;
        while !std::mem::take(&mut state.woken) && !self.is_closed() {
            let deadline = [
                until,
                state.line.next_deadline(),
                state.embeddings.next_deadline(),
                state.sessions.next_deadline(),
            ];
            let Some(deadline) = deadline.into_iter().flatten().min() else {
                let woken = self.told.wait(state);
                state = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let woken = self.told.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends the requests in the line that were cancelled, or have waited for as long as they may.
    pub(super) fn sweep(&self, now: Instant) {
        let mut state = self.lock();
        state.working_since = Some(now);
        state.take_out_cancelled();
        state.take_out_late(now);
    }

    /// The request that would go next.
    pub(super) fn head(&self, now: Instant) -> Option<Head> {
        let state = self.lock();
        state.line.head(now, &state.fairness)
    }

    /// Takes the request that goes next.
    pub(super) fn pop(&self, now: Instant) -> Option<Job> {
        let mut state = self.lock();
        let State {
            line,
            fairness,
            pace,
            ..
        } = &mut *state;
        let (ticket, job) = line.pop(now, fairness)?;
        fairness.begin(&ticket.owner, ticket.prompt_tokens);
        pace.left(now, line.len() > 0);
        Some(job)
    }

    /// Takes the request for vectors that goes next.
    pub(super) fn pop_embedding(&self, now: Instant) -> Option<EmbedJob> {
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

    /// Counts what a step computed: for each owner, tokens of prompts and of answers.
    pub(super) fn serve<'a>(&self, served: impl Iterator<Item = (&'a Owner, u32, u32)>) {
        let mut state = self.lock();
        for (owner, prompt_tokens, answer_tokens) in served {
            state.fairness.serve(owner, prompt_tokens, answer_tokens);
        }
    }

    /// Takes back what an owner was charged for tokens of a prompt that were computed before.
    pub(super) fn refund(&self, owner: &Owner, prompt_tokens: u32) {
        if prompt_tokens > 0 {
            self.lock().fairness.refund(owner, prompt_tokens);
        }
    }

    /// Counts a request that has ended after it had left the line.
    pub(super) fn ended(&self, owner: &Owner, session: u64, outcome: &RequestOutcome<Error>) {
        self.lock().ended(owner, session, outcome);
    }

    /// Drops all requests that wait: the worker ends. That tells their readers.
    pub(super) fn drop_all(&self) {
        let mut state = self.lock();
        let jobs = state.line.take_out(|_, _| true);
        let embeddings = state.embeddings.take_out(|_, _| true);
        drop(state);
        drop((jobs, embeddings));
    }

    /// Counts what a step took and made.
    pub(super) fn note_step(&self, step: &StepNote) {
        self.lock().meter.note(Instant::now(), step);
    }

    /// Publishes what the worker knows of itself, and of where the sessions are; the rest is known
    /// here.
    pub(super) fn publish(&self, status: Status, places: Vec<SessionPlace>) {
        let mut state = self.lock();
        let before = (
            std::mem::replace(&mut state.published, status),
            std::mem::replace(&mut state.places, places),
        );
        // Nobody waits for the memory to be given back.
        drop(state);
        drop(before);
    }

    /// What a session that is open does; `None` if it isn't.
    pub(crate) fn session_status(&self, session: u64) -> Option<SessionStatus> {
        let state = self.lock();
        let (since, requests) = state.sessions.life(session)?;
        let places = &state.places;
        let place = places
            .binary_search_by_key(&session, |place| place.session)
            .ok()
            .and_then(|index| places.get(index));
        let is_begun = |state| matches!(state, SessionState::Running | SessionState::Preempted);
        Some(SessionStatus {
            id: session,
            state: match place {
                Some(place) if requests == 0 || is_begun(place.state) => place.state,
                _ if requests > 0 => SessionState::Waiting,
                _ => SessionState::Cold,
            },
            tokens: place.map_or(0, |place| place.tokens),
            last_used: Instant::now().saturating_duration_since(since),
        })
    }

    pub(crate) fn status(&self) -> Status {
        let now = Instant::now();
        let mut state = self.lock();
        let queued = state.queued();
        let oldest = [state.line.oldest(), state.embeddings.oldest()];
        let oldest = oldest.into_iter().flatten().min();
        let mut queued_by_priority = state.line.by_priority();
        let embeddings = state.embeddings.by_priority();
        for (all, more) in queued_by_priority.iter_mut().zip(embeddings) {
            *all += more;
        }
        let performance = state.meter.performance(now);
        let [sessions_resident, sessions_parked] =
            state.idle_in([SessionState::Resident, SessionState::Parked]);
        Status {
            queued,
            queued_by_priority,
            queue_capacity: state.line.capacity(),
            oldest_wait: oldest.map(|asked| now.saturating_duration_since(asked)),
            estimated_wait: state.pace.wait_behind(queued),
            sessions: u32::try_from(state.sessions.len()).unwrap_or(u32::MAX),
            sessions_busy: u32::try_from(state.sessions.busy()).unwrap_or(u32::MAX),
            sessions_closed: state.sessions.closed_count(),
            sessions_resident,
            sessions_parked,
            performance,
            requests: state.requests,
            fairness: state.fairness.index(),
            ..state.published.clone()
        }
    }

    /// What each owner was served, in the order of their names.
    pub(crate) fn owners(&self) -> Vec<OwnerShare> {
        self.lock().fairness.shares()
    }

    /// Whether the worker waits for something to do, or began its round not long ago.
    pub(crate) fn is_alive(&self) -> bool {
        let since = self.lock().working_since;
        !self.is_closed() && since.is_none_or(|since| since.elapsed() < LONGEST_ROUND)
    }

    /// Since when there has been no request; `None` while there is one.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let state = self.lock();
        let is_idle = state.requests.accepted == state.requests.ended();
        is_idle.then_some(state.ended_at)
    }

    /// A panic while the lock was held can't leave the state half changed in a way that matters:
    /// every change is one call.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn told(&self, answer: std::result::Result<(), NotOpen>) -> Result<()> {
        answer.map_err(|not_open| match not_open {
            NotOpen::TooMany => Error::TooManySessions {
                limit: self.sessions.most(),
            },
            NotOpen::Closed(idle) => Error::SessionClosed { idle },
        })
    }

    /// Sessions that do nothing, in each of these states.
    fn idle_in<const N: usize>(&self, states: [SessionState; N]) -> [u32; N] {
        let mut idle = [0; N];
        for place in &self.places {
            let state = states.iter().position(|state| *state == place.state);
            if let Some(count) = state.and_then(|state| idle.get_mut(state)) {
                let life = self.sessions.life(place.session);
                *count += u32::from(life.is_some_and(|(_, requests)| requests == 0));
            }
        }
        idle
    }

    /// Requests that wait.
    fn queued(&self) -> usize {
        self.line.len() + self.embeddings.len()
    }

    /// Ends what nobody waits for any more.
    fn take_out_cancelled(&mut self) {
        fn of<W: Waits>(state: &mut State, line: fn(&mut State) -> &mut Line<W>) {
            for (ticket, job) in line(state).take_out(|_, job| job.is_cancelled()) {
                state.ended(&ticket.owner, job.session(), &RequestOutcome::Cancelled);
                job.end(RequestOutcome::Cancelled, Instant::now());
            }
        }
        of(self, |state| &mut state.line);
        of(self, |state| &mut state.embeddings);
    }

    /// Ends what has waited for as long as it may.
    fn take_out_late(&mut self, now: Instant) {
        fn of<W: Waits>(state: &mut State, now: Instant, line: fn(&mut State) -> &mut Line<W>) {
            for (ticket, job) in line(state).take_out(|ticket, _| ticket.deadline <= now) {
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
        of(self, now, |state| &mut state.line);
        of(self, now, |state| &mut state.embeddings);
    }

    fn ended(&mut self, owner: &Owner, session: u64, outcome: &RequestOutcome<Error>) {
        self.fairness.leave(owner);
        let now = Instant::now();
        self.sessions.end(session, now);
        self.ended_at = now;
        self.requests.count(outcome);
    }
}
