//! Telling somebody of every request that has ended: what it was, what it used and how it ended. Never what was said.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::time::{Duration, Instant, SystemTime};

use crate::{Effective, Error, FinishReason, ModelInfo, Owner, Result, Usage};

/// Ends that wait to be told. Each takes some hundred bytes.
const QUEUE: usize = 4096;

/// Time between two tries to ask for a flush while the queue is full.
const FLUSH_RETRY: Duration = Duration::from_millis(5);

/// A request that has ended.
#[derive(Debug, Clone)]
pub struct RequestEnd {
    /// The model that it was for.
    pub model: Arc<ModelInfo>,
    /// Who asked.
    pub owner: Arc<str>,
    /// The session's number ([`SessionStatus::id`](crate::SessionStatus::id)).
    pub session: u64,
    /// What was asked for.
    pub task: Task,
    /// The settings in force; `None` for vectors, which have none.
    pub settings: Option<Arc<Effective>>,
    /// When it was asked.
    pub asked_at: SystemTime,
    /// What it used until it ended. Of a request that was never begun, its prompt and how long it waited; of one for vectors,
    /// `prefill_time` is how long they took.
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

/// How a request ended: as [`Requests`](crate::Requests) counts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestOutcome {
    /// By itself; `None` for vectors.
    Completed(Option<FinishReason>),
    /// It was turned away, with this error.
    Refused(String),
    /// It had no time left, with this error.
    TimedOut(String),
    /// By its reader.
    Cancelled,
    /// By this error.
    Failed(String),
}

/// Tells somebody of every request that has ended, on a thread of its own: whoever is slow costs the requests nothing, and misses
/// some. Clones tell the same one; when the last is gone, the thread ends.
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

    /// Waits until everything has been told that ended before, but not longer than `within`. Says whether it has.
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

/// An observer, and the model whose requests it is told of.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) observer: Observer,
    pub(crate) model: Arc<ModelInfo>,
}

/// What a request was.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) task: Task,
    pub(crate) owner: Owner,
    pub(crate) session: u64,
    pub(crate) settings: Option<Arc<Effective>>,
    pub(crate) asked_at: Instant,
}

impl Observed {
    pub(crate) fn tell(&self, asked: Asked, usage: Usage, outcome: RequestOutcome) {
        self.observer.tell(RequestEnd {
            model: Arc::clone(&self.model),
            owner: Arc::clone(asked.owner.key()),
            session: asked.session,
            task: asked.task,
            settings: asked.settings,
            asked_at: SystemTime::now() - asked.asked_at.elapsed(),
            usage,
            outcome,
        });
    }
}
