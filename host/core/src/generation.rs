//! The reader's end of a running generation.

use std::sync::Arc;

use mynah_settings::Effective;

use crate::{Event, Producer, Result, Started, TextStream};

/// A running generation. It runs independently of its reader. Dropping it cancels it within one
/// decode step.
#[derive(Debug)]
pub struct Generation {
    stream: Arc<TextStream>,
    settings: Arc<Effective>,
    number: u64,
    // Keeps the model in memory as long as a reader waits. `None` after the end was delivered.
    producer: Option<Box<dyn Producer>>,
}

impl Generation {
    pub(crate) fn new(started: Started, number: u64) -> Self {
        Self {
            stream: started.stream,
            settings: started.settings,
            number,
            producer: Some(started.producer),
        }
    }

    pub(crate) fn stream(&self) -> &Arc<TextStream> {
        &self.stream
    }

    /// The number of the request, unique in this process. The log calls it `request`.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The effective settings, including a drawn seed.
    #[must_use]
    pub fn settings(&self) -> &Effective {
        &self.settings
    }

    /// Number of tokens of the answer up to the last event that was read, if the session reads by
    /// token ([`Session::start_by_token`](crate::Session::start_by_token)); otherwise 0. The end
    /// contains the total.
    #[must_use]
    pub fn read_tokens(&self) -> u32 {
        self.stream.read_tokens()
    }

    /// Waits for the next events and returns all available ones. Returns none after the end was
    /// delivered.
    ///
    /// Cancel-safe: events are removed only when they are returned.
    ///
    /// # Errors
    ///
    /// The error that ended the generation. It comes after all text that was generated before it.
    pub async fn next(&mut self) -> Result<Vec<Event>> {
        self.ready().await;
        Ok(self.try_next()?.unwrap_or_default())
    }

    /// Like [`next`](Self::next), but never waits. `None`: there is no event yet.
    ///
    /// # Errors
    ///
    /// Those of [`next`](Self::next).
    pub fn try_next(&mut self) -> Result<Option<Vec<Event>>> {
        let taken = self.stream.take();
        if taken.made_room {
            self.wake();
        }
        let is_end = |event: &Event| matches!(event, Event::Finished(_));
        let has_ended = match &taken.events {
            Ok(events) => events.iter().flatten().any(is_end),
            Err(_) => true,
        };
        if has_ended {
            self.producer = None;
        }
        taken.events
    }

    /// Waits until [`next`](Self::next) would not wait.
    pub async fn ready(&mut self) {
        self.stream.readable().await;
    }

    /// Requests the end of the generation. Text that was already generated still arrives. The
    /// finish reason is [`Cancelled`](crate::FinishReason::Cancelled), unless the generation ended
    /// before.
    pub fn cancel(&self) {
        self.stream.cancel();
        self.wake();
    }

    fn wake(&self) {
        if let Some(producer) = &self.producer {
            producer.wake();
        }
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        self.stream.close();
        self.wake();
    }
}
