//! The backend of a model that has a process of its own.

use std::any::Any;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use mynah_core::{
    About, Backend, BackendSession, Embeddings, Error, ModelState, Owner, OwnerShare, Pending,
    Presence, Producer, Prompt, RequestLog, RequestOutcome, Result, SessionStatus, Snapshot,
    Started, TextRequest, TokenId, Usage, VectorRequest,
};
use mynah_settings::{Seed, Settings};
use tokio::sync::oneshot;

use super::process::Process;
use super::table::{Flight, Text, Wake, failed};
use crate::wire::{Answer, ToChild};

/// A model in a process of its own.
#[derive(Debug)]
pub(super) struct IsolatedBackend {
    pub(super) process: Arc<Process>,
    pub(super) about: Arc<About>,
    pub(super) loaded_at: Instant,
    pub(super) max_unread_bytes: usize,
}

impl Backend for IsolatedBackend {
    fn about(&self) -> Arc<About> {
        Arc::clone(&self.about)
    }

    /// The process opens the session. If it can't, the first request says so.
    fn open_session(&self, session: u64, owner: &Owner) -> Result<Box<dyn BackendSession>> {
        self.process.table().check()?;
        self.process.tell(&ToChild::Open {
            session,
            owner: owner.name().to_owned(),
            weight: owner.weight(),
        });
        Ok(Box::new(IsolatedSession {
            process: Arc::clone(&self.process),
            about: Arc::clone(&self.about),
            max_unread_bytes: self.max_unread_bytes,
            number: session,
        }))
    }

    fn tokens<'a>(&'a self, prompt: Prompt, owner: &'a Owner) -> Pending<'a, Vec<TokenId>> {
        Box::pin(async move {
            let asked = ask(&self.process, |request| ToChild::Tokens {
                request,
                prompt,
                owner: owner.name().to_owned(),
                weight: owner.weight(),
            })?;
            match asked.await? {
                Answer::Tokens(tokens) => {
                    let id = |token: u32| TokenId(token.cast_signed());
                    Ok(tokens.into_iter().map(id).collect())
                }
                Answer::Text(_) | Answer::Vectors(_) | Answer::Bytes(_) => Err(Error::Unavailable),
            }
        })
    }

    fn detokenise<'a>(
        &'a self,
        tokens: Vec<u32>,
        control: bool,
        owner: &'a Owner,
    ) -> Pending<'a, Vec<u8>> {
        Box::pin(async move {
            let asked = ask(&self.process, |request| ToChild::Detokenise {
                request,
                tokens,
                control,
                owner: owner.name().to_owned(),
                weight: owner.weight(),
            })?;
            match asked.await? {
                Answer::Bytes(bytes) => Ok(bytes),
                Answer::Text(_) | Answer::Vectors(_) | Answer::Tokens(_) => Err(Error::Unavailable),
            }
        })
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn ready(&self) -> Pending<'_, ()> {
        Box::pin(async { self.process.table().check() })
    }

    /// The figures at the end of the last request, or newer ones that were asked for before.
    fn snapshot(&self) -> Snapshot {
        let is_there = self.process.table().check().is_ok();
        let status = self.process.figures().status.clone();
        Snapshot {
            about: Arc::clone(&self.about),
            status: match is_there {
                true => status,
                false => status.when_unloaded(),
            },
            presence: Presence {
                state: match is_there {
                    true => ModelState::Loaded,
                    false => ModelState::Unloaded,
                },
                loaded_since: is_there.then_some(self.loaded_at),
                kept_until: None,
            },
        }
    }

    fn owners(&self) -> Vec<OwnerShare> {
        let figures = self.process.figures();
        figures.owners.iter().map(OwnerShare::from).collect()
    }

    fn is_alive(&self) -> bool {
        self.process.table().check().is_ok()
    }

    /// Never: the bytes of the model are gone, so it could not be loaded again.
    fn unload(&self) -> bool {
        false
    }

    fn is_from(&self, _source: &dyn Any) -> bool {
        false
    }
}

/// A conversation with a model in a process of its own.
#[derive(Debug)]
struct IsolatedSession {
    process: Arc<Process>,
    about: Arc<About>,
    max_unread_bytes: usize,
    number: u64,
}

impl IsolatedSession {
    async fn begin(&self, request: TextRequest<'_>) -> Result<Started> {
        let effective = request.resolve(&self.about)?;
        let (writer, stream) = request.stream(self.max_unread_bytes);
        let mut settings = request.settings.or(request.session_settings);
        // Drawn here, because the reader is told which one it is before the answer begins.
        settings.sampling.seed = Some(Seed::Fixed(effective.seed));
        let (started, is_started) = oneshot::channel();
        let number = self.process.table().add(Flight::Text(Text {
            stream: writer,
            log: Arc::clone(request.log),
            started: Some(started),
            owes_more: false,
            is_cancelled: false,
            has_left: false,
        }))?;
        let waiting = Waiting::send(
            &self.process,
            number,
            &ToChild::Text {
                request: number,
                session: self.number,
                prompt: request.prompt,
                settings: Box::new(settings),
                by_token: request.by_token,
            },
        )?;
        is_started.await.unwrap_or(Err(Error::Unavailable))?;
        waiting.done();
        Ok(Started {
            stream,
            settings: effective,
            producer: Box::new(Remote {
                process: Arc::clone(&self.process),
                number,
            }),
        })
    }

    fn vectors(&self, request: &VectorRequest<'_>) -> Result<Pending<'static, Embeddings>> {
        request.resolve(&self.about)?;
        let settings = request.settings.clone().or(request.session_settings);
        let asked = ask(&self.process, |number| {
            self.ask_vectors(number, request, settings)
        })?;
        let ending = Ending(Arc::clone(request.log));
        Ok(Box::pin(async move {
            let vectors = match asked.await {
                Ok(Answer::Vectors(vectors)) => Ok(vectors),
                Ok(Answer::Text(_) | Answer::Tokens(_) | Answer::Bytes(_)) => {
                    Err(Error::Unavailable)
                }
                Err(error) => Err(error),
            };
            ending.end(&vectors);
            vectors
        }))
    }

    fn ask_vectors(&self, request: u64, asked: &VectorRequest<'_>, settings: Settings) -> ToChild {
        ToChild::Vectors {
            request,
            session: self.number,
            texts: asked.texts.to_vec(),
            settings: Box::new(settings),
        }
    }
}

impl BackendSession for IsolatedSession {
    fn start<'a>(&'a mut self, request: TextRequest<'a>) -> Pending<'a, Started> {
        Box::pin(self.begin(request))
    }

    fn embed<'a>(
        &'a mut self,
        request: VectorRequest<'a>,
    ) -> Pending<'a, Pending<'static, Embeddings>> {
        Box::pin(async move { self.vectors(&request) })
    }

    fn status(&self) -> Option<SessionStatus> {
        let figures = self.process.figures();
        let mut all = figures.sessions.iter();
        all.find(|session| session.id == self.number).copied()
    }
}

impl Drop for IsolatedSession {
    fn drop(&mut self) {
        self.process.tell(&ToChild::Close {
            session: self.number,
        });
    }
}

/// The process of a running generation.
#[derive(Debug)]
struct Remote {
    process: Arc<Process>,
    number: u64,
}

impl Producer for Remote {
    fn wake(&self) {
        let request = self.number;
        let Wake { more, cancel } = self.process.table().wake(request);
        if let Some(has_left) = cancel {
            self.process.tell(&ToChild::Cancel { request, has_left });
        }
        if more {
            self.process.tell(&ToChild::More { request });
        }
    }
}

/// A request that the process has not accepted or answered. Dropping it cancels the request.
#[derive(Debug)]
struct Waiting {
    process: Arc<Process>,
    number: u64,
    is_done: bool,
}

impl Waiting {
    /// Sends a request that is in the table.
    fn send(process: &Arc<Process>, number: u64, message: &ToChild) -> Result<Self> {
        if let Err(error) = process.send(message) {
            process.table().remove(number);
            return Err(error);
        }
        Ok(Self {
            process: Arc::clone(process),
            number,
            is_done: false,
        })
    }

    fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let request = self.number;
        if !self.is_done && self.process.table().abandon(request) {
            let has_left = true;
            self.process.tell(&ToChild::Cancel { request, has_left });
        }
    }
}

/// Sends a request with one answer, and waits for it.
fn ask(
    process: &Arc<Process>,
    message: impl FnOnce(u64) -> ToChild,
) -> Result<impl Future<Output = Result<Answer>> + Send + 'static> {
    let (answered, answer) = oneshot::channel();
    let number = process.table().add(Flight::Once(answered))?;
    let waiting = Waiting::send(process, number, &message(number))?;
    Ok(async move {
        let answer = answer.await.unwrap_or(Err(Error::Unavailable));
        waiting.done();
        answer
    })
}

/// The end of a request for vectors, for the log. If it is dropped, its caller has gone.
struct Ending(Arc<RequestLog>);

impl Ending {
    fn end(&self, vectors: &Result<Embeddings>) {
        match vectors {
            Ok(vectors) => {
                let usage = Usage {
                    prompt_tokens: vectors.prompt_tokens,
                    ..Usage::default()
                };
                self.0.end(RequestOutcome::Completed(None), &usage);
            }
            Err(error) => {
                let outcome = match error {
                    Error::Backend(_)
                    | Error::Decode { .. }
                    | Error::Unavailable
                    | Error::MaxTime { .. }
                    | Error::Thread(_) => failed(error),
                    _ => RequestOutcome::turned_away(error),
                };
                self.0.end(outcome, &Usage::default());
            }
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        // Only the first end counts.
        self.0.end(RequestOutcome::Cancelled, &Usage::default());
    }
}
