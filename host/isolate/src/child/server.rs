//! Serves the model to the host: takes its messages, and keeps sessions and requests.

use std::collections::HashMap;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mynah_core::{Model, Owner, Result, Session, SessionState, SessionStatus};
use tokio::sync::{Mutex as AsyncMutex, mpsc};

use super::request::{Request, Signals};
use crate::wire::frame::{self, FrameError, MAX_FROM_CHILD, MAX_TO_CHILD};
use crate::wire::{Answer, EndError, Figures, FromChild, ToChild, WireError};

/// What the process keeps of a session.
#[derive(Debug)]
pub(super) struct Conversation {
    owner: Owner,
    /// `None` if it could not be opened. Then each request tries it, and says why it fails.
    session: Option<Session>,
    /// Its last generation.
    pub(super) last: Option<Arc<Signals>>,
}

impl Conversation {
    /// The session, opened if it is not yet.
    pub(super) fn session(&mut self, model: &Model) -> Result<&mut Session> {
        let session = match self.session.take() {
            Some(session) => session,
            None => model.session(self.owner.clone())?,
        };
        Ok(self.session.insert(session))
    }
}

type Conversations = HashMap<u64, Arc<AsyncMutex<Conversation>>>;

/// The model with its sessions and requests.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) model: Model,
    out: Sender<Vec<u8>>,
    conversations: Mutex<Conversations>,
    requests: Mutex<HashMap<u64, Arc<Signals>>>,
}

/// Serves the model until the host closes the connection. Does not return before.
pub(super) fn serve(model: Model, host: UnixStream) -> Result<(), FrameError> {
    let (out, frames) = std::sync::mpsc::channel::<Vec<u8>>();
    let mut writes = host.try_clone()?;
    thread("mynah-out", move || {
        for frame in frames {
            if writes.write_all(&frame).is_err() {
                std::process::abort();
            }
        }
    })?;
    let (to, mut messages) = mpsc::unbounded_channel();
    let mut reads = std::io::BufReader::new(host);
    thread("mynah-in", move || {
        // The host has ended, or doesn't need this process any more. It may compute at the moment,
        // so it doesn't end by itself.
        while let Ok(message) = frame::read::<ToChild>(&mut reads, MAX_TO_CHILD) {
            if to.send(message).is_err() {
                break;
            }
        }
        std::process::abort();
    })?;
    let server = Arc::new(Server {
        model,
        out,
        conversations: Mutex::default(),
        requests: Mutex::default(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(async {
        while let Some(message) = messages.recv().await {
            server.take(message);
        }
    });
    Ok(())
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(run).map(drop)
}

impl Server {
    fn take(self: &Arc<Self>, message: ToChild) {
        match message {
            // The host sends them first, and once.
            ToChild::Load(_) | ToChild::Probe => {}
            ToChild::Open {
                session,
                owner,
                weight,
            } => {
                let owner = Owner::named(owner).with_weight(weight);
                let conversation = Conversation {
                    session: self.model.session(owner.clone()).ok(),
                    owner,
                    last: None,
                };
                let conversation = Arc::new(AsyncMutex::new(conversation));
                lock(&self.conversations).insert(session, conversation);
            }
            ToChild::Close { session } => {
                // A session that ends its generation must not do it under the lock.
                let closed = lock(&self.conversations).remove(&session);
                drop(closed);
            }
            ToChild::Text {
                request,
                session,
                prompt,
                settings,
                by_token,
            } => {
                let request = self.request(request);
                if let Some(conversation) = self.conversation(session) {
                    tokio::spawn(request.text(conversation, prompt, *settings, by_token));
                }
            }
            ToChild::Vectors {
                request,
                session,
                texts,
                settings,
            } => {
                let request = self.request(request);
                if let Some(conversation) = self.conversation(session) {
                    tokio::spawn(request.vectors(conversation, texts, *settings));
                }
            }
            ToChild::Tokens {
                request,
                prompt,
                owner,
                weight,
            } => {
                let owner = Owner::named(owner).with_weight(weight);
                tokio::spawn(self.request(request).tokens(prompt, owner));
            }
            ToChild::Detokenise {
                request,
                tokens,
                control,
                owner,
                weight,
            } => {
                let owner = Owner::named(owner).with_weight(weight);
                tokio::spawn(self.request(request).detokenise(tokens, control, owner));
            }
            ToChild::More { request } => {
                if let Some(signals) = lock(&self.requests).get(&request) {
                    signals.more.notify_one();
                }
            }
            ToChild::Cancel { request, has_left } => {
                if let Some(signals) = lock(&self.requests).get(&request) {
                    signals.has_left.fetch_or(has_left, Ordering::Relaxed);
                    signals.cancel.notify_one();
                }
            }
            ToChild::Figures => self.send(&FromChild::Figures(Box::new(self.figures()))),
        }
    }

    fn request(self: &Arc<Self>, number: u64) -> Request {
        let signals = Arc::new(Signals::default());
        lock(&self.requests).insert(number, Arc::clone(&signals));
        Request::new(Arc::clone(self), number, signals)
    }

    /// The session. The host opens it before its first request.
    fn conversation(&self, session: u64) -> Option<Arc<AsyncMutex<Conversation>>> {
        lock(&self.conversations).get(&session).cloned()
    }

    /// Sends the end of a request.
    pub(super) fn end(&self, request: u64, end: Result<Answer, EndError>) {
        lock(&self.requests).remove(&request);
        let ended = |end| FromChild::Ended {
            request,
            end,
            figures: Box::new(self.figures()),
        };
        if let Err(error) = self.try_send(&ended(end)) {
            let text = format!(
                "the answer can't be passed from the process of this model: {error}. Ask for less \
                 at once"
            );
            let kind = mynah_core::BackendErrorKind::TooLarge;
            self.send(&ended(Err(WireError::Backend { kind, text }.into())));
        }
    }

    pub(super) fn send(&self, message: &FromChild) {
        // Only answers can be too large, and `end` replaces them.
        let _ = self.try_send(message);
    }

    fn try_send(&self, message: &FromChild) -> Result<(), FrameError> {
        let frame = frame::frame(message, MAX_FROM_CHILD)?;
        // If the writer has ended, so does the process.
        let _ = self.out.send(frame);
        Ok(())
    }

    fn figures(&self) -> Figures {
        let status = |(id, conversation): (&u64, &Arc<AsyncMutex<Conversation>>)| {
            let Ok(conversation) = conversation.try_lock() else {
                // A request of it is being prepared, or computes vectors.
                return Some(SessionStatus {
                    id: *id,
                    state: SessionState::Waiting,
                    tokens: 0,
                    last_used: Duration::ZERO,
                });
            };
            let status = conversation.session.as_ref()?.status();
            Some(SessionStatus { id: *id, ..status })
        };
        let sessions = lock(&self.conversations)
            .iter()
            .filter_map(status)
            .collect();
        Figures {
            status: self.model.status(),
            sessions,
            owners: self.model.owners().into_iter().map(Into::into).collect(),
        }
    }
}

/// A panic while a lock was held leaves the map consistent, because each change is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
