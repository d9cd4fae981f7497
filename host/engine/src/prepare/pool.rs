//! The pool: threads that prepare requests, and a clock that ends those whose time is over.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use mynah_core::{Error, Owner, Result};
use mynah_schedule::{PrepareQueue, Size, Ticket};
use mynah_settings::Priority;
use tokio::sync::oneshot;

use super::stack::STACK;
use crate::EngineError;
use crate::decode::QueueLimit;

/// Time after which a waiting request counts as one priority higher.
const AGEING: Duration = Duration::from_secs(1);

/// Time after which a thread without work ends, which frees its stack.
const IDLE: Duration = Duration::from_secs(10);

/// The process has at least two threads, so that a small request never waits for a large one.
const MIN_THREADS: usize = 2;

/// Prepares requests. Dropping it discards the waiting ones, and its threads end.
#[derive(Debug)]
pub(crate) struct Pool(Arc<Shared>);

/// A request to prepare.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) owner: Owner,
    pub(crate) priority: Priority,
    pub(crate) asked_at: Instant,
    pub(crate) limit: QueueLimit,
    /// Its size, for which the owner is charged.
    pub(crate) bytes: u64,
    pub(crate) size: Size,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    // Notified when there is work, or the pool is closed.
    work: Condvar,
    // Notified when a deadline comes before that for which the clock waits.
    clock: Condvar,
}

#[derive(Debug)]
struct State {
    queue: PrepareQueue<Job>,
    running: Vec<Running>,
    next_number: u64,
    max_threads: usize,
    threads: usize,
    idle: usize,
    has_clock: bool,
    // When the clock looks again. `None`: only when it is notified.
    clock_wakes: Option<Instant>,
    is_closed: bool,
}

/// A request that waits.
struct Job {
    number: u64,
    work: Box<dyn FnOnce() + Send>,
    late: Late,
}

/// Tells the caller of a request that its time is over.
type Late = Arc<dyn Fn(Instant) + Send + Sync>;

/// A request that a thread prepares.
struct Running {
    number: u64,
    deadline: Instant,
    /// `None` when the caller was told.
    late: Option<Late>,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Job").field(&self.number).finish()
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Running").field(&self.number).finish()
    }
}

impl Pool {
    /// The pool of this process, which all models share. It ends with the last of them.
    pub(crate) fn of_process() -> Arc<Self> {
        static POOL: Mutex<Weak<Pool>> = Mutex::new(Weak::new());

        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        pool.upgrade().unwrap_or_else(|| {
            let threads = available_parallelism().map_or(MIN_THREADS, usize::from);
            let new = Arc::new(Self::new(threads.max(MIN_THREADS)));
            *pool = Arc::downgrade(&new);
            new
        })
    }

    /// A pool with at most this number of threads, which start when they are needed.
    pub(super) fn new(max_threads: usize) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                queue: PrepareQueue::new(max_threads, AGEING),
                running: Vec::new(),
                next_number: 0,
                max_threads,
                threads: 0,
                idle: 0,
                has_clock: false,
                clock_wakes: None,
                is_closed: false,
            }),
            work: Condvar::new(),
            clock: Condvar::new(),
        }))
    }

    /// Queues the work of preparing a request.
    ///
    /// # Errors
    ///
    /// [`Error::Thread`] if no thread can be started. The future has the error of `work`, or
    /// [`Error::QueueTimeout`].
    pub(crate) fn prepare<T: Send + 'static>(
        &self,
        request: &Request,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<Prepared<T>> {
        let (answer, is_answered) = oneshot::channel();
        // The thread or the clock answers, whichever comes first.
        let answer = Arc::new(Mutex::new(Some(answer)));
        let late = {
            let (answer, request) = (Arc::clone(&answer), request.clone());
            move |now| respond(&answer, Err(request.limit.late(request.asked_at, now)))
        };
        let work = move || {
            // A panic has left a message on stderr.
            let done = catch_unwind(AssertUnwindSafe(work));
            respond(&answer, done.unwrap_or(Err(EngineError::Panic.into())));
        };
        let mut state = self.0.lock();
        self.0.start_threads(&mut state)?;
        let number = state.next_number;
        state.next_number += 1;
        let deadline = request.limit.deadline(request.asked_at);
        let ticket = Ticket {
            owner: request.owner.clone(),
            priority: request.priority,
            asked_at: request.asked_at,
            deadline,
            prompt_tokens: u32::try_from(request.bytes).unwrap_or(u32::MAX),
        };
        let job = Job {
            number,
            work: Box::new(work),
            late: Arc::new(late),
        };
        state.queue.push(ticket, request.size, job);
        if state.clock_wakes.is_none_or(|wakes| deadline < wakes) {
            self.0.clock.notify_one();
        }
        drop(state);
        self.0.work.notify_one();
        Ok(Prepared {
            answer: is_answered,
            number,
            pool: Arc::clone(&self.0),
            has_ended: false,
        })
    }

    #[cfg(test)]
    pub(super) fn waiting_and_running(&self) -> (usize, usize) {
        let state = self.0.lock();
        (state.queue.len(), state.running.len())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_closed = true;
        let waiting = state.queue.take_out(|_, _| true);
        drop(state);
        self.0.work.notify_all();
        self.0.clock.notify_all();
        drop(waiting);
    }
}

type Answer<T> = Mutex<Option<oneshot::Sender<Result<T>>>>;

fn respond<T>(answer: &Answer<T>, result: Result<T>) {
    let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(answer) = answer {
        // The caller may have given up.
        let _ = answer.send(result);
    }
}

impl Shared {
    /// Starts the clock if there is none, and a thread if none is free and there may be one more.
    fn start_threads(self: &Arc<Self>, state: &mut State) -> Result<()> {
        if !state.has_clock {
            let shared = Arc::clone(self);
            std::thread::Builder::new()
                .name("mynah-prepare-clock".to_owned())
                .spawn(move || shared.watch())
                .map_err(Error::Thread)?;
            state.has_clock = true;
        }
        let is_needed = state.idle <= state.queue.len() && state.threads < state.max_threads;
        if !is_needed {
            return Ok(());
        }
        let shared = Arc::clone(self);
        let spawned = std::thread::Builder::new()
            .name("mynah-prepare".to_owned())
            .stack_size(STACK)
            .spawn(move || shared.work());
        match spawned {
            Ok(_) => state.threads += 1,
            Err(error) if state.threads == 0 => return Err(Error::Thread(error)),
            // The others do the work.
            Err(error) => tracing::debug!(%error, "no further thread to prepare requests"),
        }
        Ok(())
    }

    /// Prepares requests, until there were none for a while or the pool is closed.
    fn work(&self) {
        let mut state = self.lock();
        while !state.is_closed {
            let Some((ticket, size, job)) = state.queue.pop(Instant::now()) else {
                state.idle += 1;
                let woken = self.work.wait_timeout(state, IDLE);
                let (woken, timeout) = woken.unwrap_or_else(PoisonError::into_inner);
                state = woken;
                state.idle -= 1;
                // What came at the last moment is still done.
                if timeout.timed_out() && state.queue.is_empty() {
                    break;
                }
                continue;
            };
            state.running.push(Running {
                number: job.number,
                deadline: ticket.deadline,
                late: Some(job.late),
            });
            if !state.queue.is_empty() {
                self.work.notify_one();
            }
            drop(state);
            (job.work)();
            state = self.lock();
            state.running.retain(|one| one.number != job.number);
            state.queue.done(&ticket, size);
        }
        state.threads -= 1;
    }

    /// Tells the callers of requests whose time is over, until the pool is closed.
    fn watch(&self) {
        let mut state = self.lock();
        while !state.is_closed {
            let now = Instant::now();
            let waiting = state.queue.take_out(|ticket, _| ticket.deadline <= now);
            let mut late: Vec<Late> = waiting
                .iter()
                .map(|(_, job)| Arc::clone(&job.late))
                .collect();
            let over = |one: &&mut Running| one.deadline <= now;
            let running = state.running.iter_mut().filter(over);
            late.extend(running.filter_map(|one| one.late.take()));
            if !late.is_empty() {
                drop(state);
                late.iter().for_each(|late| late(now));
                drop(waiting);
                state = self.lock();
                continue;
            }
            let running = state.running.iter().filter(|one| one.late.is_some());
            let deadlines = running.map(|one| one.deadline);
            let next = deadlines.chain(state.queue.next_deadline()).min();
            state.clock_wakes = next;
            state = match next {
                Some(next) => {
                    let remaining = next.saturating_duration_since(now);
                    let woken = self.clock.wait_timeout(state, remaining);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let woken = self.clock.wait(state);
                    woken.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }

    /// Removes a request whose caller has given up, if it still waits.
    fn give_up(&self, number: u64) {
        let mut state = self.lock();
        let given_up = state.queue.take_out(|_, job| job.number == number);
        drop(state);
        drop(given_up);
    }

    /// A panic while the lock was held leaves the state consistent, because the work is done
    /// without the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being prepared. Dropping it gives the request up.
#[derive(Debug)]
pub(crate) struct Prepared<T> {
    answer: oneshot::Receiver<Result<T>>,
    number: u64,
    pool: Arc<Shared>,
    has_ended: bool,
}

impl<T> Future for Prepared<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = Pin::new(&mut self.answer).poll(context);
        self.has_ended = answer.is_ready();
        answer.map(|answer| answer.unwrap_or(Err(Error::Unavailable)))
    }
}

impl<T> Drop for Prepared<T> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.pool.give_up(self.number);
        }
    }
}
