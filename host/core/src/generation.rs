//! The reader's end of a running generation.

use std::sync::Arc;

use mynah_settings::Effective;

use crate::{Event, Producer, Result, Started, TextStream};

/// A running generation. It runs by itself; dropping it cancels it within one decode step.
#[derive(Debug)]
pub struct Generation {
    stream: Arc<TextStream>,
    settings: Arc<Effective>,
    number: u64,
    // Keeps the model in memory while a reader waits; `None` when the end has been delivered.
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

    /// The request's number: no other of this process has it. The log calls it `request`.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The settings in force, the seed that was drawn among them.
    #[must_use]
    pub fn settings(&self) -> &Effective {
        &self.settings
    }

    /// Tokens of the answer up to what was read last, where it is read by token
    /// ([`Session::start_by_token`](crate::Session::start_by_token)); else 0. The end tells all of
    /// them.
    #[must_use]
    pub fn read_tokens(&self) -> u32 {
        self.stream.read_tokens()
    }

    /// Waits for the next events and returns all that are there; none when the end has been
    /// delivered already.
    ///
    /// Cancel-safe: events are taken only when they are returned.
    ///
    /// # Errors
    ///
    /// What broke the generation, after all text that was made before it.
    pub async fn next(&mut self) -> Result<Vec<Event>> {
        self.ready().await;
        Ok(self.try_next()?.unwrap_or_default())
    }

    /// As [`next`](Self::next), but never waits: `None` when there is nothing yet.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
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

    /// Asks the generation to end. What was made until then still arrives; the reason is
    /// [`Cancelled`](crate::FinishReason::Cancelled) unless it ended by itself before.
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
