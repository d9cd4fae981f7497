//! The scripted backend, which runs a script.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::scripted::{Scripted, words_of};
use super::source::ScriptedSource;
use super::step::{Step, lock};
use crate::request_log::RequestLog;
use crate::{
    About, Backend, BackendSession, Embeddings, Error, Event, Feature, FinishReason, Model,
    ModelState, Outcome, Owner, OwnerShare, Pending, Presence, Producer, Prompt, RequestOutcome,
    Requests, Result, SessionState, SessionStatus, Snapshot, Started, Status, StreamWriter,
    TextRequest, TextStream, TokenId, TokenProb, TokenProbs, Usage, VectorRequest,
};

/// Maximum number of bytes of unread text before the script pauses: the default of
/// `max_unread_bytes`.
const MAX_UNREAD_BYTES: usize = 64 << 10;

fn count(words: &[String]) -> u32 {
    u32::try_from(words.len()).unwrap_or(u32::MAX)
}

#[derive(Debug)]
struct Shared {
    about: Arc<About>,
    script: Scripted,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    requests: Requests,
    running: usize,
    sessions: usize,
    served: BTreeMap<Arc<str>, OwnerShare>,
}

#[derive(Debug)]
pub(super) struct ScriptedBackend(Arc<Shared>);

impl ScriptedBackend {
    pub(super) fn new(script: Scripted) -> Self {
        let about = Arc::new(About {
            info: Arc::new(script.info.clone()),
            backend: Scripted::NAME,
            build: vec![("scripted_version", serde_json::Value::from(1))],
            capabilities: script.capabilities,
            defaults: script.defaults.clone(),
            recommended: mynah_settings::Settings::default(),
        });
        Self(Arc::new(Shared {
            about,
            script,
            state: Mutex::default(),
        }))
    }
}

impl Shared {
    fn check_prompt(&self, prompt: &Prompt) -> Result<Vec<String>> {
        let words = words_of(prompt);
        if words.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        let context = self.about.info.context_size;
        if count(&words) >= context {
            return Err(Error::PromptTooLong {
                prompt: words.len(),
                at_least: false,
                context,
            });
        }
        Ok(words)
    }

    fn refuse(&self) -> Result<()> {
        self.script.refusal.as_ref().map_or(Ok(()), |error| {
            lock(&self.state).requests.refused += 1;
            Err(error())
        })
    }

    /// Runs a request to its end, and returns the outcome.
    fn run(&self, job: &Job) {
        let mut tokens = 0;
        let mut outcome = Ok(FinishReason::EndOfGeneration);
        for step in &job.steps {
            let is_over = || tokens >= job.max_tokens;
            while job.stream.is_full() && !job.stream.is_cancelled() {
                std::thread::sleep(Duration::from_millis(1));
            }
            if job.stream.is_cancelled() {
                outcome = Ok(FinishReason::Cancelled);
                break;
            }
            match step {
                Step::Text(_) | Step::Token { .. } if is_over() => {
                    outcome = Ok(FinishReason::MaxTokens);
                    break;
                }
                Step::Text(text) => {
                    tokens += 1;
                    job.stream.push(text, tokens);
                }
                Step::Token { id, text, log_prob } => {
                    tokens += 1;
                    if job.wants_probs {
                        job.stream
                            .push_event(Event::Token(probs(*id, text, *log_prob)), tokens);
                    }
                    job.stream.push(text, tokens);
                }
                Step::Wait(gate) => gate.wait(|| job.stream.is_cancelled()),
                Step::Finish(reason) => {
                    outcome = Ok(*reason);
                    break;
                }
                Step::Fail(words) => {
                    let reason = words.clone();
                    outcome = Err(Error::Decode {
                        attempts: 1,
                        reason,
                    });
                    break;
                }
                // The writer is dropped without an end, like that of a worker that crashed.
                Step::Vanish => return self.ended(|requests| requests.failed += 1),
            }
        }
        let usage = Usage {
            prompt_tokens: job.prompt_tokens,
            generated_tokens: tokens,
            decode_time: job.begun.elapsed(),
            ..Usage::default()
        };
        match outcome {
            Ok(reason) => {
                self.ended(|requests| match reason {
                    FinishReason::Cancelled => requests.cancelled += 1,
                    _ => requests.completed += 1,
                });
                job.log.end(RequestOutcome::finished(reason), &usage);
                job.stream.finish(Ok(Outcome {
                    reason,
                    usage,
                    seed: job.seed,
                }));
            }
            Err(error) => {
                self.ended(|requests| requests.failed += 1);
                job.log.end(RequestOutcome::Failed(&error), &usage);
                job.stream.finish(Err(error));
            }
        }
    }

    fn ended(&self, note: impl FnOnce(&mut Requests)) {
        let mut state = lock(&self.state);
        state.running -= 1;
        note(&mut state.requests);
    }

    fn begin(&self, owner: &Owner, tokens: u32) {
        let mut state = lock(&self.state);
        state.requests.accepted += 1;
        state.running += 1;
        let name = Arc::clone(owner.key());
        let share = state.served.entry(Arc::clone(&name));
        let share = share.or_insert_with(|| OwnerShare {
            name,
            weight: owner.weight(),
            served_tokens: 0,
            requests: 0,
        });
        share.served_tokens += u64::from(tokens);
    }
}

fn probs(id: u32, text: &str, log_prob: f32) -> TokenProbs {
    let chosen = TokenProb {
        id,
        bytes: text.as_bytes().to_vec(),
        log_prob,
    };
    TokenProbs {
        top: vec![chosen.clone()],
        chosen,
    }
}

/// A running request.
struct Job {
    steps: Vec<Step>,
    stream: StreamWriter,
    log: Arc<RequestLog>,
    prompt_tokens: u32,
    max_tokens: u32,
    wants_probs: bool,
    seed: u32,
    begun: Instant,
}

impl Job {
    /// Whether it may wait for a gate or its reader, and therefore needs a thread.
    fn may_wait(&self) -> bool {
        // An upper bound of the size of an event without its text.
        const EVENT: usize = 256;
        let bytes = |step: &Step| match step {
            Step::Text(text) | Step::Token { text, .. } => EVENT + text.len(),
            Step::Wait(_) => MAX_UNREAD_BYTES,
            Step::Finish(_) | Step::Fail(_) | Step::Vanish => 0,
        };
        self.steps.iter().map(bytes).sum::<usize>() >= MAX_UNREAD_BYTES
    }
}

impl Backend for ScriptedBackend {
    fn about(&self) -> Arc<About> {
        Arc::clone(&self.0.about)
    }

    fn open_session(&self, session: u64, _owner: &Owner) -> Result<Box<dyn BackendSession>> {
        let most = self.0.script.max_sessions;
        let mut state = lock(&self.0.state);
        if state.sessions >= most {
            return Err(Error::TooManySessions {
                limit: u32::try_from(most).unwrap_or(u32::MAX),
            });
        }
        state.sessions += 1;
        drop(state);
        Ok(Box::new(ScriptedSession {
            shared: Arc::clone(&self.0),
            number: session,
            stream: None,
            tokens: 0,
            used_at: Instant::now(),
        }))
    }

    fn tokens<'a>(&'a self, prompt: Prompt, _owner: &'a Owner) -> Pending<'a, Vec<TokenId>> {
        Box::pin(async move {
            self.0.about.require(Feature::TokenIds)?;
            let words = self.0.check_prompt(&prompt)?;
            Ok((0..).map(TokenId).take(words.len()).collect())
        })
    }

    /// Its tokens are numbers of words, which have no text of their own.
    fn detokenise<'a>(
        &'a self,
        tokens: Vec<u32>,
        _control: bool,
        _owner: &'a Owner,
    ) -> Pending<'a, Vec<u8>> {
        Box::pin(async move {
            self.0.about.require(Feature::TokenIds)?;
            let words: Vec<String> = tokens.iter().map(|token| format!("word{token}")).collect();
            Ok(words.join(" ").into_bytes())
        })
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn ready(&self) -> Pending<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn snapshot(&self) -> Snapshot {
        let state = lock(&self.0.state);
        let sessions = u32::try_from(state.sessions).unwrap_or(u32::MAX);
        Snapshot {
            about: Arc::clone(&self.0.about),
            status: Status {
                running: state.running,
                requests: state.requests,
                sessions,
                fairness: 1.0,
                ..Status::default()
            },
            presence: Presence {
                state: ModelState::Loaded,
                loaded_since: None,
                kept_until: None,
            },
        }
    }

    fn owners(&self) -> Vec<OwnerShare> {
        lock(&self.0.state).served.values().cloned().collect()
    }

    fn is_alive(&self) -> bool {
        true
    }

    fn unload(&self) -> bool {
        false
    }

    fn is_from(&self, source: &dyn Any) -> bool {
        let source = source.downcast_ref::<ScriptedSource>();
        source.is_some_and(|source| source.name == self.0.about.info.name)
    }
}

#[derive(Debug)]
struct ScriptedSession {
    shared: Arc<Shared>,
    number: u64,
    stream: Option<Arc<TextStream>>,
    tokens: u32,
    used_at: Instant,
}

impl ScriptedSession {
    fn begin(&mut self, request: TextRequest<'_>) -> Result<Started> {
        let shared = &self.shared;
        let settings = request.resolve(&shared.about)?;
        shared.about.check_text(&request.prompt, &settings)?;
        let words = shared.check_prompt(&request.prompt)?;
        shared.refuse()?;
        let (writer, stream) = request.stream(MAX_UNREAD_BYTES);
        let job = Job {
            steps: (shared.script.script)(&request.prompt),
            stream: writer,
            log: Arc::clone(request.log),
            prompt_tokens: count(&words),
            max_tokens: settings.stopping.max_tokens,
            wants_probs: settings.sampling.n_probs > 0,
            seed: settings.seed,
            begun: Instant::now(),
        };
        shared.begin(request.owner, count(&words));
        let runs = Arc::clone(shared);
        if job.may_wait() {
            let thread = std::thread::Builder::new().name("mynah-scripted".to_owned());
            let spawned = thread.spawn(move || runs.run(&job));
            spawned.map_err(Error::Thread)?;
        } else {
            runs.run(&job);
        }
        self.stream = Some(Arc::clone(&stream));
        self.tokens = count(&words);
        self.used_at = Instant::now();
        Ok(Started {
            stream,
            settings,
            producer: Box::new(Nobody),
        })
    }

    fn vectors(&mut self, request: &VectorRequest<'_>) -> Result<Embeddings> {
        let shared = &self.shared;
        request.resolve(&shared.about)?;
        shared.about.require(Feature::Vectors)?;
        if request.texts.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        let mut prompt_tokens = 0;
        for text in request.texts {
            prompt_tokens += count(&shared.check_prompt(text)?);
        }
        shared.refuse()?;
        shared.begin(request.owner, prompt_tokens);
        shared.ended(|requests| requests.completed += 1);
        let usage = Usage {
            prompt_tokens,
            ..Usage::default()
        };
        request.log.end(RequestOutcome::Completed(None), &usage);
        Ok(Embeddings {
            vectors: vec![vec![1.0, 0.0, 0.0]; request.texts.len()],
            prompt_tokens,
        })
    }
}

impl BackendSession for ScriptedSession {
    fn start<'a>(&'a mut self, request: TextRequest<'a>) -> Pending<'a, Started> {
        Box::pin(async move { self.begin(request) })
    }

    fn embed<'a>(
        &'a mut self,
        request: VectorRequest<'a>,
    ) -> Pending<'a, Pending<'static, Embeddings>> {
        Box::pin(async move {
            let embeddings = self.vectors(&request)?;
            let answer: Pending<'static, Embeddings> = Box::pin(async move { Ok(embeddings) });
            Ok(answer)
        })
    }

    fn status(&self) -> Option<SessionStatus> {
        let is_open = self.stream.as_ref().is_some_and(|stream| stream.is_open());
        Some(SessionStatus {
            id: self.number,
            state: match is_open {
                true => SessionState::Running,
                false => SessionState::Resident,
            },
            tokens: self.tokens,
            last_used: self.used_at.elapsed(),
        })
    }
}

impl Drop for ScriptedSession {
    fn drop(&mut self) {
        lock(&self.shared.state).sessions -= 1;
    }
}

/// The script checks its stream by itself.
#[derive(Debug)]
struct Nobody;

impl Producer for Nobody {
    fn wake(&self) {}
}

impl Scripted {
    /// Creates the model.
    #[must_use]
    pub fn into_model(self) -> Model {
        Model::new(Arc::new(ScriptedBackend::new(self)))
    }
}
