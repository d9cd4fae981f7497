//! Calls an embedder's function for every request that has ended, with what it was, what it used
//! and how it ended. Prompts and answers are never included.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::time::{Duration, Instant};

use crate::{Error, RequestEnd, Result};

/// Maximum number of ends that wait for the observer. Each takes a few hundred bytes.
const QUEUE: usize = 4096;

/// Time between two attempts to request a flush while the queue is full.
const FLUSH_RETRY: Duration = Duration::from_millis(5);

/// Calls a function for every request that has ended, on its own thread. A slow function does not
/// slow requests down: it misses some ends. Clones share the function. The thread ends when the
/// last clone is dropped.
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

/// Two observers are equal if they share the function.
impl PartialEq for Observer {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.missed, &other.missed)
    }
}

impl Observer {
    /// Creates an observer that calls `watch` for each end, in order.
    ///
    /// # Errors
    ///
    /// [`Error::Thread`] if the thread could not be started.
    pub fn new(mut watch: impl FnMut(RequestEnd) + Send + 'static) -> Result<Self> {
        let (queue, messages): (_, Receiver<Message>) = mpsc::sync_channel(QUEUE);
        std::thread::Builder::new()
            .name("mynah-observer".to_owned())
            .spawn(move || {
                for message in messages {
                    match message {
                        Message::Ended(end) => watch(*end),
                        Message::Flush(done) => {
                            // The caller of `flush` may have given up.
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

    /// Number of ends that the function missed because 4,096 were already waiting.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// Waits until the function has seen every request that ended before, but at most for `within`.
    /// Returns whether it has.
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
        let remaining = deadline.saturating_duration_since(Instant::now());
        is_done.recv_timeout(remaining).is_ok()
    }

    /// Queues an end for the function, or counts it as missed.
    pub(crate) fn pass_on(&self, end: RequestEnd) {
        if self.queue.try_send(Message::Ended(Box::new(end))).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}
