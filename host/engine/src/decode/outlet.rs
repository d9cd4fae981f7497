//! Where a generation's text waits for its reader: bounded, between the worker and whoever reads.
//!
//! Text that waits is kept as one string, so a slow reader costs its bytes and nothing else, and gets it all at once. Tokens
//! that are told one by one count with what they hold.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::{Error, Event, Outcome, Result, TokenProbs};

/// A bounded mailbox with one writer (the worker) and one reader (the [`Generation`](crate::Generation)).
#[derive(Debug)]
pub(crate) struct Outlet {
    state: Mutex<State>,
    // Holds one permit when nobody waits, so a wake-up between a look and a wait isn't lost.
    changed: Notify,
    // Apart from the lock, since llama.cpp's abort callback asks thousands of times a second.
    cancelled: AtomicBool,
    max_unread_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    // Text and tokens in their order; text that follows text is one.
    events: Vec<Event>,
    // What they hold.
    bytes: usize,
    end: End,
    reader_gone: bool,
}

#[derive(Debug, Default)]
enum End {
    /// More may come.
    #[default]
    Open,
    /// It ended; the reader doesn't know yet.
    Waiting(Result<Outcome>),
    /// It ended and the reader knows.
    Delivered,
}

/// The worker's end of an outlet. Dropped without an end, for whatever reason, it tells the reader that the model is gone,
/// so that nobody waits for ever.
#[derive(Debug)]
pub(crate) struct Writer(Arc<Outlet>);

impl Writer {
    pub(crate) fn new(outlet: Arc<Outlet>) -> Self {
        Self(outlet)
    }
}

impl Deref for Writer {
    type Target = Outlet;

    fn deref(&self) -> &Outlet {
        &self.0
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.finish(Err(Error::Unavailable));
    }
}

/// What [`Outlet::take`] found.
#[derive(Debug)]
pub(crate) struct Taken {
    /// `None`: nothing yet. An empty list: the end was delivered before.
    pub(crate) events: Result<Option<Vec<Event>>>,
    /// The outlet was full, so the worker may be waiting for this.
    pub(crate) made_room: bool,
}

impl Outlet {
    pub(crate) fn new(max_unread_bytes: usize) -> Self {
        Self {
            state: Mutex::default(),
            changed: Notify::new(),
            cancelled: AtomicBool::new(false),
            max_unread_bytes,
        }
    }

    /// Adds text for the reader. Never waits and never refuses: the writer asks [`is_full`](Self::is_full) before it
    /// makes more, so the bound is exceeded by one token's text at most.
    pub(crate) fn push(&self, text: &str) {
        if text.is_empty() {
            return;
        }
        let mut state = self.lock();
        if !state.reader_gone {
            state.bytes += text.len();
            match state.events.last_mut() {
                Some(Event::Text(waiting)) => waiting.push_str(text),
                _ => state.events.push(Event::Text(text.to_owned())),
            }
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Adds a token that is told by itself; as [`push`](Self::push).
    pub(crate) fn push_token(&self, token: TokenProbs) {
        let mut state = self.lock();
        if !state.reader_gone {
            state.bytes += token.bytes();
            state.events.push(Event::Token(token));
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Ends the generation. Only the first end counts.
    pub(crate) fn finish(&self, end: Result<Outcome>) {
        let mut state = self.lock();
        if matches!(state.end, End::Open) {
            state.end = End::Waiting(end);
            drop(state);
            self.changed.notify_one();
        }
    }

    /// As much text waits as may.
    pub(crate) fn is_full(&self) -> bool {
        self.lock().bytes >= self.max_unread_bytes
    }

    /// The generation runs or waits, and somebody may read it.
    pub(crate) fn is_open(&self) -> bool {
        let state = self.lock();
        matches!(state.end, End::Open) && !state.reader_gone
    }

    /// The reader asked for an end, or went away.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// The reader asks for an end; it still reads what is there.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// The reader goes away.
    pub(crate) fn close(&self) {
        self.cancel();
        let mut state = self.lock();
        state.reader_gone = true;
        state.events = Vec::new();
        state.bytes = 0;
    }

    /// Takes everything that waits. An error comes alone, after the text that was made before it.
    pub(crate) fn take(&self) -> Taken {
        let mut state = self.lock();
        let made_room = std::mem::take(&mut state.bytes) >= self.max_unread_bytes;
        let mut events = std::mem::take(&mut state.events);
        let events = match std::mem::take(&mut state.end) {
            End::Open if events.is_empty() => Ok(None),
            End::Open => Ok(Some(events)),
            End::Waiting(Ok(outcome)) => {
                state.end = End::Delivered;
                events.push(Event::Finished(outcome));
                Ok(Some(events))
            }
            End::Waiting(Err(error)) if events.is_empty() => {
                state.end = End::Delivered;
                Err(error)
            }
            End::Waiting(Err(error)) => {
                state.end = End::Waiting(Err(error));
                Ok(Some(events))
            }
            End::Delivered => {
                state.end = End::Delivered;
                Ok(Some(events))
            }
        };
        Taken { events, made_room }
    }

    /// Waits until [`take`](Self::take) finds something.
    pub(crate) async fn readable(&self) {
        loop {
            let changed = self.changed.notified();
            {
                let state = self.lock();
                if !state.events.is_empty() || !matches!(state.end, End::Open) {
                    return;
                }
            }
            changed.await;
        }
    }

    /// A panic while the lock was held can't leave the state half changed: every change is one assignment.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FinishReason, Usage};

    fn outcome() -> Outcome {
        Outcome {
            seed: 1,
            reason: FinishReason::MaxTokens,
            usage: Usage::default(),
        }
    }

    #[test]
    fn text_that_waits_arrives_at_once_and_before_the_end() {
        let outlet = Outlet::new(16);
        outlet.push("one ");
        outlet.push("two");
        outlet.finish(Ok(outcome()));
        let events = outlet.take().events.unwrap().unwrap();
        assert_eq!(
            events,
            [Event::Text("one two".into()), Event::Finished(outcome())]
        );
        assert_eq!(outlet.take().events.unwrap(), Some(vec![]));
    }

    #[test]
    fn an_error_comes_after_the_text_and_once() {
        let outlet = Outlet::new(16);
        outlet.push("partial");
        outlet.finish(Err(Error::Unavailable));
        assert_eq!(
            outlet.take().events.unwrap().unwrap(),
            [Event::Text("partial".into())]
        );
        assert!(matches!(outlet.take().events, Err(Error::Unavailable)));
        assert_eq!(outlet.take().events.unwrap(), Some(vec![]));
    }

    #[test]
    fn only_the_first_end_counts() {
        let outlet = Outlet::new(16);
        outlet.finish(Ok(outcome()));
        outlet.finish(Err(Error::Unavailable));
        assert!(outlet.take().events.is_ok());
    }

    #[test]
    fn a_writer_that_is_dropped_ends_the_generation() {
        let outlet = Arc::new(Outlet::new(16));
        drop(Writer::new(Arc::clone(&outlet)));
        assert!(matches!(outlet.take().events, Err(Error::Unavailable)));
    }

    #[test]
    fn a_full_outlet_says_so_until_it_is_read() {
        let outlet = Outlet::new(4);
        outlet.push("abc");
        assert!(!outlet.is_full());
        outlet.push("d");
        assert!(outlet.is_full());
        assert!(outlet.take().made_room);
        assert!(!outlet.is_full());
        assert!(!outlet.take().made_room);
    }

    #[test]
    fn text_for_a_reader_that_is_gone_is_not_kept() {
        let outlet = Outlet::new(4);
        outlet.close();
        outlet.push("text");
        assert!(outlet.is_cancelled() && !outlet.is_open() && !outlet.is_full());
    }

    #[tokio::test]
    async fn no_wake_up_is_lost_between_a_writer_and_a_waiting_reader() {
        const PIECES: usize = 20_000;
        let outlet = Arc::new(Outlet::new(1 << 20));
        let writer = std::thread::spawn({
            let outlet = Arc::clone(&outlet);
            move || {
                for _ in 0..PIECES {
                    outlet.push("x");
                }
                outlet.finish(Ok(outcome()));
            }
        });
        let mut length = 0;
        loop {
            outlet.readable().await;
            let events = outlet.take().events.unwrap().unwrap();
            let ended = matches!(events.last(), Some(Event::Finished(_)));
            if let Some(Event::Text(text)) = events.first() {
                length += text.len();
            }
            if ended {
                break;
            }
        }
        writer.join().unwrap();
        assert_eq!(length, PIECES);
    }
}
