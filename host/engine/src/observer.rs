//! Telling somebody of every request that has ended: what it was, what it used and how it ended.
//! Never what was said.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use crate::log::{End, Logged};
use crate::{Effective, Error, FinishReason, ModelInfo, Owner, Result, Usage};

/// Ends that wait to be told. Each takes some hundred bytes.
const QUEUE: usize = 4096;

/// Time between two tries to ask for a flush while the queue is full.
const FLUSH_RETRY: Duration = Duration::from_millis(5);

/// A request that has ended.
#[derive(Debug, Clone)]
pub struct RequestEnd {
    /// Its number, as the log has it.
    pub request: u64,
    /// The model that it was for.
    pub model: Arc<ModelInfo>,
    /// Who asked.
    pub owner: Arc<str>,
    /// The session's number ([`SessionStatus::id`](crate::SessionStatus::id)).
    pub session: u64,
    /// What was asked for.
    pub task: Task,
    /// The settings in force; `None` for vectors, which have none, and for what was turned away
    /// before they were looked at.
    pub settings: Option<Arc<Effective>>,
    /// When it was asked.
    pub asked_at: SystemTime,
    /// What it used until it ended: nothing if it was turned away, and if it was never begun, its
    /// prompt and how long it waited; of one for vectors, `prefill_time` is how long they took.
    pub usage: Usage,
    /// How it ended.
    pub outcome: RequestOutcome,
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// The next message of a conversation.
    Chat,
    /// Text that continues a text.
    Complete,
    /// Vectors.
    Embed,
}

/// How a request ended: as [`Requests`](crate::Requests) counts it, but for those that were
/// rejected, which aren't counted. What a guest said is in no error here, unless the log may have
/// it ([`log::show_content`](crate::log::show_content)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestOutcome {
    /// By itself; `None` for vectors.
    Completed(Option<FinishReason>),
    /// There was no room for it.
    Refused(String),
    /// Something was wrong with it.
    Rejected(String),
    /// It had no time left, with this error.
    TimedOut(String),
    /// By its reader.
    Cancelled,
    /// By this error.
    Failed(String),
}

/// Tells somebody of every request that has ended, on a thread of its own: whoever is slow costs
/// the requests nothing, and misses some. Clones tell the same one; when the last is gone, the
/// thread ends.
#[derive(Debug, Clone)]
pub struct Observer {
    queue: SyncSender<Message>,
    missed: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    Ended(Box<RequestEnd>),
    Flush(SyncSender<()>),
}

/// Two are the same if they tell the same one.
impl PartialEq for Observer {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.missed, &other.missed)
    }
}

impl Observer {
    /// An observer that calls `watch` for each end, in their order.
    ///
    /// # Errors
    ///
    /// [`Error::Thread`].
    pub fn new(mut watch: impl FnMut(RequestEnd) + Send + 'static) -> Result<Self> {
        let (queue, told): (_, Receiver<Message>) = mpsc::sync_channel(QUEUE);
        std::thread::Builder::new()
            .name("mynah-observer".to_owned())
            .spawn(move || {
                for message in told {
                    match message {
                        Message::Ended(end) => watch(*end),
                        Message::Flush(done) => {
                            // Whoever waited may have lost patience.
                            let _ = done.send(());
                        }
                    }
                }
            })
            .map_err(Error::Thread)?;
        Ok(Self {
            queue,
            missed: Arc::default(),
        })
    }

    /// Ends that were not told, because too many waited already (4,096).
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// Waits until everything has been told that ended before, but not longer than `within`. Says
    /// whether it has.
    #[must_use]
    pub fn flush(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        let (done, is_done) = mpsc::sync_channel(1);
        let mut message = Message::Flush(done);
        loop {
            match self.queue.try_send(message) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(back)) => {
                    if Instant::now() >= deadline {
                        return false;
                    }
                    message = back;
                    std::thread::sleep(FLUSH_RETRY);
                }
            }
        }
        let left = deadline.saturating_duration_since(Instant::now());
        is_done.recv_timeout(left).is_ok()
    }

    fn tell(&self, end: RequestEnd) {
        if self.queue.try_send(Message::Ended(Box::new(end))).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// An observer, and what it will be told of a request beside its end.
#[derive(Debug)]
pub(crate) struct Observed {
    observer: Observer,
    model: Arc<ModelInfo>,
    settings: OnceLock<Arc<Effective>>,
}

impl Observed {
    pub(crate) fn new(observer: Observer, model: Arc<ModelInfo>) -> Self {
        Self {
            observer,
            model,
            settings: OnceLock::new(),
        }
    }

    pub(crate) fn with(&self, settings: &Arc<Effective>) {
        self.settings.get_or_init(|| Arc::clone(settings));
    }

    pub(crate) fn tell(
        &self,
        request: u64,
        session: u64,
        owner: &Owner,
        task: Task,
        end: End<'_>,
        usage: &Usage,
    ) {
        let took = usage.queue_time + usage.prefill_time + usage.decode_time;
        self.observer.tell(RequestEnd {
            request,
            model: Arc::clone(&self.model),
            owner: Arc::clone(owner.key()),
            session,
            task,
            settings: self.settings.get().cloned(),
            asked_at: SystemTime::now() - took,
            usage: *usage,
            outcome: RequestOutcome::from(end),
        });
    }
}

impl From<End<'_>> for RequestOutcome {
    fn from(end: End<'_>) -> Self {
        // What a guest said is left out, as in the log.
        let told = |error: &Error| Logged(error).to_string();
        match end {
            End::Finished(FinishReason::Cancelled) => Self::Cancelled,
            End::Finished(reason) => Self::Completed(Some(reason)),
            End::Embedded => Self::Completed(None),
            End::NotTaken(error @ (Error::Busy { .. } | Error::MemoryShort { .. })) => {
                Self::Refused(told(error))
            }
            End::NotTaken(error) => Self::Rejected(told(error)),
            End::TimedOut(error) => Self::TimedOut(told(error)),
            End::Failed(error) => Self::Failed(told(error)),
        }
    }
}
