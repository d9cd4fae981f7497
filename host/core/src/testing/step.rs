//! The steps of a scripted answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::FinishReason;

/// One step of an answer.
#[derive(Debug, Clone)]
pub enum Step {
    /// Adds text, which counts as one token.
    Text(String),
    /// Adds a token with its log probability, and its text.
    Token {
        /// The id.
        id: u32,
        /// The text.
        text: String,
        /// Natural logarithm of its probability.
        log_prob: f32,
    },
    /// Waits until the gate is open, or the request is cancelled.
    Wait(Gate),
    /// Ends the answer for this reason. Later steps are ignored. A script without an end finishes
    /// with [`FinishReason::EndOfGeneration`].
    Finish(FinishReason),
    /// Ends the answer with an error: the model failed with this message.
    Fail(String),
    /// The backend disappears without an end.
    Vanish,
}

impl From<&str> for Step {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// A gate that a test opens.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    shared: Arc<(AtomicBool, Condvar, Mutex<()>)>,
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the gate permanently.
    pub fn open(&self) {
        self.shared.0.store(true, Ordering::Release);
        self.look_again();
    }

    fn look_again(&self) {
        drop(lock(&self.shared.2));
        self.shared.1.notify_all();
    }

    /// Waits until the gate is open, or `is_cancelled` returns true.
    pub(super) fn wait(&self, is_cancelled: impl Fn() -> bool) {
        let mut guard = lock(&self.shared.2);
        while !self.shared.0.load(Ordering::Acquire) && !is_cancelled() {
            // A cancellation does not wake this thread, so it is polled.
            let woken = self.shared.1.wait_timeout(guard, Duration::from_millis(1));
            guard = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A panic of a test that holds a lock leaves the data consistent.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
