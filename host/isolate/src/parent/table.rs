//! The requests that the process of a model has not answered yet, and what a message may answer.
//!
//! Every message belongs to a request that waits for just that, so a process that sends anything
//! else is found out, and can't fill the host's memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mynah_core::{Error, Event, Outcome, RequestLog, RequestOutcome, Result, StreamWriter, Usage};
use tokio::sync::oneshot;

use super::death::Death;
use crate::wire::Answer;

/// Maximum number of unanswered requests. The queue of the model has a smaller limit of its own.
pub(super) const MAX_REQUESTS: usize = 4096;

/// A message that answers nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unasked;

/// What the host does after a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing.
    Wait,
    /// It allows the next events of the request.
    More,
}

/// A request for text.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) stream: StreamWriter,
    pub(super) log: Arc<RequestLog>,
    /// Told that the request was accepted, or why it wasn't. `None`: it was accepted.
    pub(super) started: Option<oneshot::Sender<Result<()>>>,
    /// Whether events have arrived, and the next ones are not allowed yet.
    pub(super) owes_more: bool,
    /// Whether the process knows that it was cancelled.
    pub(super) is_cancelled: bool,
    /// Whether the process knows that its reader has left.
    pub(super) has_left: bool,
}

/// What the process must be told after a reader has read, cancelled or left.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wake {
    /// The next events of the request are allowed.
    pub(super) more: bool,
    /// The request is cancelled; whether its reader has left.
    pub(super) cancel: Option<bool>,
}

/// A request that was not answered yet.
#[derive(Debug)]
pub(super) enum Flight {
    Text(Text),
    /// A request with one answer.
    Once(oneshot::Sender<Result<Answer>>),
    /// Its caller has gone; the process is told, and still answers.
    Abandoned,
}

/// The requests by number. After the death of the process there are none.
#[derive(Debug)]
pub(super) struct Table {
    backend: &'static str,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    flights: HashMap<u64, Flight>,
    next: u64,
    dead: Option<Death>,
}

impl Table {
    pub(super) fn new(backend: &'static str) -> Self {
        Self {
            backend,
            state: Mutex::default(),
        }
    }

    /// Adds a request, and returns its number.
    ///
    /// # Errors
    ///
    /// The process has died, or too many requests wait.
    pub(super) fn add(&self, flight: Flight) -> Result<u64> {
        let mut state = self.lock();
        if let Some(death) = &state.dead {
            return Err(death.error());
        }
        if state.flights.len() >= MAX_REQUESTS {
            return Err(Error::Busy {
                queued: state.flights.len(),
                capacity: MAX_REQUESTS,
                estimated_wait: None,
            });
        }
        let number = state.next;
        state.next += 1;
        state.flights.insert(number, flight);
        Ok(number)
    }

    /// Removes a request that could not be sent.
    pub(super) fn remove(&self, number: u64) {
        self.lock().flights.remove(&number);
    }

    /// Notes that the caller of a request has gone. Returns whether the process must be told.
    pub(super) fn abandon(&self, number: u64) -> bool {
        let flight = match self.lock().flights.get_mut(&number) {
            Some(flight) => std::mem::replace(flight, Flight::Abandoned),
            None => return false,
        };
        // Dropped without the lock, because a stream that ends wakes its reader.
        !matches!(flight, Flight::Abandoned)
    }

    /// What the process must be told after the reader of a request has read, cancelled or left.
    pub(super) fn wake(&self, number: u64) -> Wake {
        let mut state = self.lock();
        let Some(Flight::Text(text)) = state.flights.get_mut(&number) else {
            return Wake::default();
        };
        let cancelled = text.stream.is_cancelled();
        // It has not ended, or it would not be here.
        let left = !text.stream.is_open();
        let is_new = (cancelled && !text.is_cancelled) || (left && !text.has_left);
        text.is_cancelled = cancelled;
        text.has_left = left;
        Wake {
            more: text.takes_more(),
            cancel: is_new.then_some(left),
        }
    }

    /// A request for text was accepted.
    pub(super) fn started(&self, number: u64) -> Result<(), Unasked> {
        let mut state = self.lock();
        match state.flights.get_mut(&number) {
            Some(Flight::Abandoned) => Ok(()),
            Some(Flight::Text(text)) => {
                let started = text.started.take().ok_or(Unasked)?;
                // A caller that has gone meanwhile abandons the request.
                let _ = started.send(Ok(()));
                Ok(())
            }
            Some(Flight::Once(_)) | None => Err(Unasked),
        }
    }

    /// Passes events on to their reader.
    pub(super) fn events(
        &self,
        number: u64,
        events: Vec<Event>,
        tokens: u32,
    ) -> Result<Next, Unasked> {
        let mut state = self.lock();
        match state.flights.get_mut(&number) {
            Some(Flight::Abandoned) => Ok(Next::More),
            Some(Flight::Text(text)) if text.started.is_none() && !text.owes_more => {
                for event in events {
                    match event {
                        Event::Finished(_) => return Err(Unasked),
                        event => text.stream.push_event(event, tokens),
                    }
                }
                text.owes_more = true;
                Ok(match text.takes_more() {
                    true => Next::More,
                    false => Next::Wait,
                })
            }
            Some(Flight::Text(_) | Flight::Once(_)) | None => Err(Unasked),
        }
    }

    /// Ends a request.
    pub(super) fn ended(&self, number: u64, end: Result<Answer>) -> Result<(), Unasked> {
        // Not in the match, which would hold the lock.
        let flight = self.lock().flights.remove(&number);
        match flight {
            Some(Flight::Abandoned) => Ok(()),
            Some(Flight::Text(text)) => {
                let end = end.map(|answer| match answer {
                    Answer::Text(outcome) => Some(outcome),
                    Answer::Vectors(_) | Answer::Tokens(_) | Answer::Bytes(_) => None,
                });
                match end {
                    Ok(None) => {
                        text.end(Err(Error::Unavailable));
                        Err(Unasked)
                    }
                    Ok(Some(outcome)) if text.started.is_none() => {
                        text.end(Ok(outcome));
                        Ok(())
                    }
                    Ok(Some(_)) => Err(Unasked),
                    Err(error) => {
                        text.end(Err(error));
                        Ok(())
                    }
                }
            }
            Some(Flight::Once(answered)) => {
                // A caller that has gone meanwhile does not need it.
                let _ = answered.send(end);
                Ok(())
            }
            None => Err(Unasked),
        }
    }

    /// Ends all requests, and those to come, because the process has died.
    pub(super) fn die(&self, death: &Death) {
        let flights = {
            let mut state = self.lock();
            state.dead.get_or_insert_with(|| death.clone());
            std::mem::take(&mut state.flights)
        };
        for flight in flights.into_values() {
            match flight {
                Flight::Text(text) => text.end(Err(death.error())),
                Flight::Once(answered) => {
                    let _ = answered.send(Err(death.error()));
                }
                Flight::Abandoned => {}
            }
        }
    }

    /// Checks that the process has not died.
    pub(super) fn check(&self) -> Result<()> {
        match &self.lock().dead {
            Some(death) => Err(death.error()),
            None => Ok(()),
        }
    }

    /// The name of the backend in errors.
    pub(super) fn backend(&self) -> &'static str {
        self.backend
    }

    /// A panic while the lock was held leaves the state consistent, because each change is one
    /// call.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Text {
    /// Whether the next events may be asked for now. They then are.
    fn takes_more(&mut self) -> bool {
        let has_room = !self.stream.is_full() || self.stream.is_cancelled();
        let takes = self.owes_more && has_room;
        self.owes_more &= !takes;
        takes
    }

    /// Ends the request: its start if it was not accepted yet, else its stream.
    fn end(self, end: Result<Outcome>) {
        let end = match (self.started, end) {
            (Some(started), Err(error)) => {
                // The caller of `start` ends the request.
                let _ = started.send(Err(error));
                return;
            }
            (_, end) => end,
        };
        match &end {
            Ok(outcome) => {
                let ended = RequestOutcome::finished(outcome.reason);
                self.log.end(ended, &outcome.usage);
            }
            Err(error) => self.log.end(failed(error), &Usage::default()),
        }
        self.stream.finish(end);
    }
}

/// How a request ended that was accepted.
pub(super) fn failed(error: &Error) -> RequestOutcome<&Error> {
    match error {
        Error::QueueTimeout { .. } | Error::MaxTime { .. } => RequestOutcome::TimedOut(error),
        _ => RequestOutcome::Failed(error),
    }
}

#[cfg(test)]
mod tests;
