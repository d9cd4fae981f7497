//! One request in the process of the model.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mynah_core::{BackendErrorKind, Error, Event, Generation, Outcome, Owner, Prompt, Result};
use mynah_settings::Settings;
use tokio::sync::{Mutex as AsyncMutex, Notify};

use super::server::{Conversation, Server};
use crate::wire::{Answer, EndError, FromChild, WireError};

/// What the host tells a request. Each keeps what was told until it is read.
#[derive(Debug, Default)]
pub(super) struct Signals {
    pub(super) more: Notify,
    pub(super) cancel: Notify,
    /// Whether nobody reads the answer any more.
    pub(super) has_left: AtomicBool,
    /// Whether the request has ended, and tells the one that waits for it.
    has_ended: AtomicBool,
    ended: Notify,
}

impl Signals {
    /// Waits until a request whose reader has left has ended, within a step: its session is free
    /// for the next one.
    async fn left(&self) {
        if self.has_left.load(Ordering::Relaxed) && !self.has_ended.load(Ordering::Relaxed) {
            self.ended.notified().await;
        }
    }
}

/// A request. It sends its end however it ends.
#[derive(Debug)]
pub(super) struct Request {
    server: Arc<Server>,
    number: u64,
    signals: Arc<Signals>,
    has_ended: bool,
}

impl Request {
    pub(super) fn new(server: Arc<Server>, number: u64, signals: Arc<Signals>) -> Self {
        Self {
            server,
            number,
            signals,
            has_ended: false,
        }
    }

    /// Generates text.
    pub(super) async fn text(
        self,
        conversation: Arc<AsyncMutex<Conversation>>,
        prompt: Prompt,
        settings: Settings,
        by_token: bool,
    ) {
        let start = async {
            let mut conversation = conversation.lock().await;
            if let Some(last) = &conversation.last {
                last.left().await;
            }
            let session = conversation.session(&self.server.model)?;
            let generation = match by_token {
                true => session.start_by_token(prompt, settings).await?,
                false => session.start(prompt, settings).await?,
            };
            conversation.last = Some(Arc::clone(&self.signals));
            Ok(generation)
        };
        let started = self.unless_cancelled(start).await;
        drop(conversation);
        let outcome = match started {
            Ok(generation) => {
                self.server.send(&FromChild::Started {
                    request: self.number,
                });
                self.pass_on(generation).await
            }
            Err(error) => Err(error),
        };
        self.note_end();
        self.end(outcome.map(Answer::Text));
    }

    /// Computes vectors.
    pub(super) async fn vectors(
        self,
        conversation: Arc<AsyncMutex<Conversation>>,
        texts: Vec<Prompt>,
        settings: Settings,
    ) {
        let embed = async {
            let mut conversation = conversation.lock().await;
            let session = conversation.session(&self.server.model)?;
            session.embed(&texts, settings).await
        };
        let vectors = self.unless_cancelled(embed).await;
        drop(conversation);
        self.end(vectors.map(Answer::Vectors));
    }

    /// The tokens of a prompt.
    pub(super) async fn tokens(self, prompt: Prompt, owner: Owner) {
        let tokens = async {
            let session = self.server.model.session(owner)?;
            session.tokens(prompt).await
        };
        let tokens = self.unless_cancelled(tokens).await;
        self.end(tokens.map(Answer::Tokens));
    }

    /// The bytes of tokens.
    pub(super) async fn detokenise(self, tokens: Vec<u32>, control: bool, owner: Owner) {
        let bytes = async {
            let session = self.server.model.session(owner)?;
            session.detokenise(tokens, control).await
        };
        let bytes = self.unless_cancelled(bytes).await;
        self.end(bytes.map(Answer::Bytes));
    }

    /// The result of some work, or an error that nobody reads if the host cancels it.
    async fn unless_cancelled<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            result = work => result,
            () = self.signals.cancel.notified() => Err(Error::Unavailable),
        }
    }

    /// Tells the next request of the session that this one has ended.
    fn note_end(&self) {
        self.signals.has_ended.store(true, Ordering::Relaxed);
        self.signals.ended.notify_one();
    }

    /// Sends the events of a generation, each time as many as there are when the host allows it.
    async fn pass_on(&self, mut generation: Generation) -> Result<Outcome> {
        let mut is_allowed = true;
        let mut is_cancelled = false;
        loop {
            tokio::select! {
                biased;
                () = self.signals.cancel.notified(), if !is_cancelled => {
                    generation.cancel();
                    is_cancelled = true;
                }
                () = self.signals.more.notified(), if !is_allowed => is_allowed = true,
                events = generation.next(), if is_allowed => {
                    let mut events = events?;
                    let finished = match events.last() {
                        Some(Event::Finished(outcome)) => Some(*outcome),
                        Some(_) => None,
                        // The end was delivered before, which ends this loop.
                        None => return Err(Error::Unavailable),
                    };
                    if finished.is_some() {
                        events.pop();
                    }
                    if !events.is_empty() {
                        is_allowed = false;
                        self.server.send(&FromChild::Events {
                            request: self.number,
                            events,
                            tokens: generation.read_tokens(),
                        });
                    }
                    if let Some(outcome) = finished {
                        return Ok(outcome);
                    }
                }
            }
        }
    }

    fn end(mut self, end: Result<Answer>) {
        self.has_ended = true;
        self.server.end(self.number, end.map_err(EndError::from));
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if !self.has_ended {
            self.note_end();
            let error = WireError::Backend {
                kind: BackendErrorKind::Failed,
                text: "the request failed in the process of this model: see the host's log".into(),
            };
            self.server.end(self.number, Err(error.into()));
        }
    }
}
