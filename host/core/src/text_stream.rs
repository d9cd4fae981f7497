//! The bounded stream of events between a backend, which generates an answer, and its reader.
//!
//! Unread text is kept as one string, so a slow reader costs only its bytes, and gets all of it at
//! once. Events of single tokens count with their content. A reader that reads by token gets the
//! text of each token separately.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::{Error, Event, Outcome, Result};

/// A bounded queue with one writer (the worker) and one reader ([`Generation`](crate::Generation)).
#[derive(Debug)]
pub struct TextStream {
    state: Mutex<State>,
    // Holds one permit if no reader waits, so that a wake-up between a check and a wait is not
    // lost.
    changed: Notify,
    // Outside the lock, because llama.cpp's abort callback reads it thousands of times a second.
    cancelled: AtomicBool,
    max_unread_bytes: usize,
    // Whether the text of each token is a separate event, which is read separately.
    by_token: bool,
}

#[derive(Debug, Default)]
struct State {
    // Text and tokens in order. Consecutive texts are merged, unless the stream is read by token.
    events: VecDeque<Event>,
    // Number of tokens of the answer at each event, if the stream is read by token.
    made: VecDeque<u32>,
    // Number of tokens of the answer up to the last event that was read, if it is read by token.
    read: u32,
    // Size of the events.
    bytes: usize,
    end: End,
    reader_gone: bool,
}

#[derive(Debug, Default)]
enum End {
    /// More events may follow.
    #[default]
    Open,
    /// It has ended, but the reader has not received the end yet.
    Waiting(Result<Outcome>),
    /// It has ended, and the reader has received the end.
    Delivered,
}

/// The worker's side of a stream. If it is dropped without an end, it reports to the reader that
/// the model is gone, so that no reader waits for ever.
#[derive(Debug)]
pub struct StreamWriter(Arc<TextStream>);

impl StreamWriter {
    /// The writing side of this stream. There must be only one.
    #[must_use]
    pub fn new(stream: Arc<TextStream>) -> Self {
        Self(stream)
    }
}

impl Deref for StreamWriter {
    type Target = TextStream;

    fn deref(&self) -> &TextStream {
        &self.0
    }
}

/// Adds an event to the last one if the two are pieces of one text. Returns it otherwise.
fn join(last: Option<&mut Event>, event: Event) -> Option<Event> {
    match (last, event) {
        (Some(Event::Text(waiting)), Event::Text(text))
        | (Some(Event::Reasoning(waiting)), Event::Reasoning(text)) => waiting.push_str(&text),
        (
            Some(Event::ToolCallArguments {
                index: of,
                text: waiting,
            }),
            Event::ToolCallArguments { index, text },
        ) if *of == index => waiting.push_str(&text),
        (_, event) => return Some(event),
    }
    None
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        self.finish(Err(Error::Unavailable));
    }
}

/// The result of [`TextStream::take`].
#[derive(Debug)]
pub struct Taken {
    /// `None`: there is no event yet. An empty list: the end was already delivered.
    pub events: Result<Option<Vec<Event>>>,
    /// Whether the stream was full, so that the worker may be waiting for space.
    pub made_room: bool,
}

impl TextStream {
    /// A stream with a limit for unread text, in bytes.
    #[must_use]
    pub fn new(max_unread_bytes: usize) -> Self {
        Self {
            state: Mutex::default(),
            changed: Notify::new(),
            cancelled: AtomicBool::new(false),
            max_unread_bytes,
            by_token: false,
        }
    }

    /// A stream whose reader takes the text of one token at a time.
    pub fn by_token(max_unread_bytes: usize) -> Self {
        Self {
            by_token: true,
            ..Self::new(max_unread_bytes)
        }
    }

    /// Adds text for the reader. `tokens` is the number of tokens of the answer including it. Never
    /// waits and never fails: the writer checks [`is_full`](Self::is_full) before it generates
    /// more, so the limit is exceeded by at most one token's text.
    pub fn push(&self, text: &str, tokens: u32) {
        if !text.is_empty() {
            self.push_event(Event::Text(text.to_owned()), tokens);
        }
    }

    /// Adds an event that does not end the answer. Otherwise like [`push`](Self::push).
    pub fn push_event(&self, event: Event, tokens: u32) {
        let mut state = self.lock();
        if state.reader_gone {
            return;
        }
        state.bytes += self.cost(&event);
        let last = state.events.back_mut().filter(|_| !self.by_token);
        if let Some(event) = join(last, event) {
            state.events.push_back(event);
        }
        if self.by_token {
            state.made.push_back(tokens);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Size of an event. If events are not merged, each has its own place in the queue.
    fn cost(&self, event: &Event) -> usize {
        let place = match self.by_token {
            true => size_of::<Event>(),
            false => 0,
        };
        place
            + match event {
                Event::Text(text)
                | Event::Reasoning(text)
                | Event::ToolCallArguments { text, .. } => text.len(),
                Event::ToolCallStart { id, name, .. } => size_of::<Event>() + id.len() + name.len(),
                Event::Token(token) => token.bytes(),
                Event::Finished(_) => 0,
            }
    }

    /// Number of tokens of the answer up to the last event that was read, if the stream is read by
    /// token.
    pub fn read_tokens(&self) -> u32 {
        self.lock().read
    }

    /// Ends the generation. Only the first end counts.
    pub fn finish(&self, end: Result<Outcome>) {
        let mut state = self.lock();
        if matches!(state.end, End::Open) {
            state.end = End::Waiting(end);
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Whether the unread text has reached the limit.
    pub fn is_full(&self) -> bool {
        self.lock().bytes >= self.max_unread_bytes
    }

    /// Whether the generation has not ended and the reader still exists.
    pub fn is_open(&self) -> bool {
        let state = self.lock();
        matches!(state.end, End::Open) && !state.reader_gone
    }

    /// Whether the reader cancelled, or was dropped.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Requests an end. The reader can still read the remaining events.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    /// Closes the reader's side.
    pub fn close(&self) {
        self.cancel();
        let mut state = self.lock();
        state.reader_gone = true;
        state.events = VecDeque::new();
        state.made = VecDeque::new();
        state.bytes = 0;
    }

    /// Takes all events, or one event if the stream is read by token. An error comes separately,
    /// after the text that was generated before it.
    pub fn take(&self) -> Taken {
        let mut state = self.lock();
        if self.by_token
            && let Some(event) = state.events.pop_front()
        {
            let made_room = state.bytes >= self.max_unread_bytes;
            state.bytes = state.bytes.saturating_sub(self.cost(&event));
            state.read = state.made.pop_front().unwrap_or(state.read);
            return Taken {
                events: Ok(Some(vec![event])),
                made_room,
            };
        }
        let made_room = std::mem::take(&mut state.bytes) >= self.max_unread_bytes;
        let mut events: Vec<Event> = std::mem::take(&mut state.events).into();
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
    pub async fn readable(&self) {
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

    /// A panic while the lock was held leaves the state consistent, because every change is one
    /// assignment.
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
        let stream = TextStream::new(16);
        stream.push("one ", 1);
        stream.push("two", 2);
        stream.finish(Ok(outcome()));
        let events = stream.take().events.unwrap().unwrap();
        assert_eq!(
            events,
            [Event::Text("one two".into()), Event::Finished(outcome())]
        );
        assert_eq!(stream.take().events.unwrap(), Some(vec![]));
    }

    #[test]
    fn who_reads_by_token_gets_each_by_itself_and_the_number_so_far() {
        let stream = TextStream::by_token(16);
        // Its second token ended within a character, so its text came with the third.
        stream.push("one ", 1);
        stream.push("zwölf", 3);
        stream.finish(Ok(outcome()));
        for (text, tokens) in [("one ", 1), ("zwölf", 3)] {
            let events = stream.take().events.unwrap().unwrap();
            assert_eq!(events, [Event::Text(text.into())]);
            assert_eq!(stream.read_tokens(), tokens);
        }
        let end = stream.take().events.unwrap().unwrap();
        assert_eq!(end, [Event::Finished(outcome())]);
    }

    #[test]
    fn an_error_comes_after_the_text_and_once() {
        let stream = TextStream::new(16);
        stream.push("partial", 1);
        stream.finish(Err(Error::Unavailable));
        assert_eq!(
            stream.take().events.unwrap().unwrap(),
            [Event::Text("partial".into())]
        );
        assert!(matches!(stream.take().events, Err(Error::Unavailable)));
        assert_eq!(stream.take().events.unwrap(), Some(vec![]));
    }

    #[test]
    fn only_the_first_end_counts() {
        let stream = TextStream::new(16);
        stream.finish(Ok(outcome()));
        stream.finish(Err(Error::Unavailable));
        assert!(stream.take().events.is_ok());
    }

    #[test]
    fn a_writer_that_is_dropped_ends_the_generation() {
        let stream = Arc::new(TextStream::new(16));
        drop(StreamWriter::new(Arc::clone(&stream)));
        assert!(matches!(stream.take().events, Err(Error::Unavailable)));
    }

    #[test]
    fn a_full_stream_says_so_until_it_is_read() {
        let stream = TextStream::new(4);
        stream.push("abc", 1);
        assert!(!stream.is_full());
        stream.push("d", 2);
        assert!(stream.is_full());
        assert!(stream.take().made_room);
        assert!(!stream.is_full());
        assert!(!stream.take().made_room);
    }

    #[test]
    fn a_full_stream_that_is_read_by_token_has_room_again() {
        let one = size_of::<Event>() + "ab".len();
        let stream = TextStream::by_token(2 * one);
        for tokens in 1..=3 {
            stream.push("ab", tokens);
        }
        assert!(stream.is_full());
        assert!(stream.take().made_room && stream.is_full());
        assert!(stream.take().made_room && !stream.is_full());
        assert!(!stream.take().made_room);
        // Nothing is left over of what was read.
        stream.push("ab", 4);
        assert!(!stream.is_full());
        stream.push("ab", 5);
        assert!(stream.is_full());
    }

    #[test]
    fn text_for_a_reader_that_is_gone_is_not_kept() {
        let stream = TextStream::new(4);
        stream.close();
        stream.push("text", 1);
        assert!(stream.is_cancelled() && !stream.is_open() && !stream.is_full());
    }

    #[tokio::test]
    async fn no_wake_up_is_lost_between_a_writer_and_a_waiting_reader() {
        const PIECES: usize = 20_000;
        let stream = Arc::new(TextStream::new(1 << 20));
        let writer = std::thread::spawn({
            let stream = Arc::clone(&stream);
            move || {
                for _ in 0..PIECES {
                    stream.push("x", 1);
                }
                stream.finish(Ok(outcome()));
            }
        });
        let mut length = 0;
        loop {
            stream.readable().await;
            let events = stream.take().events.unwrap().unwrap();
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
