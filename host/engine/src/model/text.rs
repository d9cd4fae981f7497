//! Requests for text: checks, prepares and queues them.

use std::sync::Arc;
use std::time::Instant;

use mynah_core::log::{CONTENT, TASK, log_request, shows_content};
use mynah_core::{Error, Owner, Prompt, RequestLog, Result, Started, TextRequest, TokenId};
use mynah_grammar::Constraint;
use mynah_schedule::Size;
use mynah_settings::{Effective, OutputForm, Settings};

use super::answer::{AnswerPlan, Asked};
use super::fit::{Fitted, Past};
use super::loaded::{InUse, Known};
use super::prompt::Purpose;
use crate::decode::{Job, QueueLimit, Sampler, SamplerParts};
use crate::prepare::Request;

/// Up to this size in bytes, a prompt is prepared in milliseconds.
const SMALL_PROMPT: u64 = 32 << 10;

/// Up to this size in bytes, an output form is compiled in milliseconds.
const SMALL_FORM: u64 = 4 << 10;

/// A conversation that may be shortened is rendered and tokenised about this often.
const RENDERINGS: u64 = 16;

/// Up to this number of DRY breakers, all of them are found in the vocabulary in milliseconds.
const FEW_BREAKERS: usize = 8;

/// A request for text that waits to be prepared.
#[derive(Debug)]
struct Unprepared {
    loaded: InUse,
    prompt: Prompt,
    settings: Arc<Effective>,
    past: Past,
    log: Arc<RequestLog>,
}

/// A prepared request for text.
#[derive(Debug)]
struct Ready {
    fitted: Fitted<TokenId>,
    sampler: Sampler,
    answer: AnswerPlan,
    past: Past,
}

impl InUse {
    /// Checks, prepares and queues a request of session `session`, with data about its earlier
    /// prompts.
    pub(super) async fn start(
        &self,
        request: TextRequest<'_>,
        session: u64,
        past: &mut Past,
    ) -> Result<Started> {
        let asked_at = Instant::now();
        let Known { config, about, .. } = &*self.known;
        let info = &about.info;
        let settings = request.resolve(about)?;
        if info.vectors_only {
            return Err(Error::VectorsOnly {
                model: info.name.clone(),
                architecture: info.architecture.clone(),
            });
        }
        let checked = about.check_text(&request.prompt, &settings);
        checked.map_err(|error| self.explain(error))?;
        config.check_cache_tokens(&settings.memory)?;
        self.check_bytes(request.prompt.bytes())?;
        let queue_limit = QueueLimit::new(config.default_task_timeout, &settings);
        let (writer, stream) = request.stream(config.max_unread_bytes as usize);
        let preparing = self.queue.prepare(request.owner, Some(session))?;
        let prepare = Request {
            owner: request.owner.clone(),
            priority: settings.scheduling.priority,
            asked_at,
            limit: queue_limit,
            bytes: request.prompt.bytes(),
            size: size_of(&request.prompt, &settings),
        };
        let unprepared = Unprepared {
            loaded: self.clone(),
            prompt: request.prompt,
            settings: Arc::clone(&settings),
            past: past.snapshot(),
            log: Arc::clone(request.log),
        };
        let ready = self.pool.prepare(&prepare, || unprepared.prepare())?;
        let ready = preparing.finish(ready).await?;
        if let Some(constraint) = &ready.answer.constraint {
            log_notes(constraint, request.log);
        }
        *past = ready.past;
        self.queue.submit(Job {
            sampler: ready.sampler,
            prompt: ready.fitted.tokens,
            constraint: ready.answer.constraint,
            before_form: ready.answer.before_form,
            reader: ready.answer.reader,
            settings: Arc::clone(&settings),
            stream: writer,
            log: Arc::clone(request.log),
            owner: request.owner.clone(),
            session,
            trim_policy: ready.fitted.trim_policy,
            forgotten: ready.fitted.forgotten,
            asked_at,
            queue_limit,
        })?;
        Ok(Started {
            stream,
            settings,
            producer: Box::new(self.clone()),
        })
    }

    /// The tokens of a prompt. See [`Backend::tokens`](mynah_core::Backend::tokens).
    pub(super) async fn count(
        &self,
        prompt: Prompt,
        after: usize,
        purpose: Purpose,
        owner: &Owner,
    ) -> Result<Vec<TokenId>> {
        let bytes = prompt.bytes();
        self.check_bytes(bytes)?;
        let thinking = self.known.about.defaults.reasoning.thinking;
        let loaded = self.clone();
        let tokens = move || loaded.tokens(&prompt, after, thinking, purpose);
        self.in_turn(bytes, owner, tokens).await
    }

    /// The bytes of tokens. See [`Backend::detokenise`](mynah_core::Backend::detokenise).
    pub(super) async fn detokenise(
        &self,
        tokens: Vec<u32>,
        control: bool,
        owner: &Owner,
    ) -> Result<Vec<u8>> {
        let bytes = size_of_val(tokens.as_slice()) as u64;
        self.check_bytes(bytes)?;
        let loaded = self.clone();
        let text = move || Ok(loaded.bytes_of(&loaded.known_tokens(&tokens)?, control));
        self.in_turn(bytes, owner, text).await
    }

    /// Does work of this size on a preparing thread, when it is the owner's turn.
    async fn in_turn<T: Send + 'static>(
        &self,
        bytes: u64,
        owner: &Owner,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let asked_at = Instant::now();
        let Known { config, about, .. } = &*self.known;
        let defaults = about.merged(Settings::default(), &Settings::default());
        let settings = defaults.resolve(|| 0);
        let preparing = self.queue.prepare(owner, None)?;
        let prepare = Request {
            owner: owner.clone(),
            priority: settings.scheduling.priority,
            asked_at,
            limit: QueueLimit::new(config.default_task_timeout, &settings),
            bytes,
            size: size_of_bytes(bytes),
        };
        let done = self.pool.prepare(&prepare, work)?;
        let done = done.await;
        drop(preparing);
        done
    }
}

impl Unprepared {
    fn prepare(self) -> Result<Ready> {
        let Self {
            loaded,
            prompt,
            settings,
            mut past,
            log,
        } = self;
        let settings = &*settings;
        let asked = Asked::of(&prompt);
        let fitted = loaded.fit(prompt, settings, &mut past)?;
        if asked.is_some() && shows_content() {
            let rendered = loaded.written(&fitted.tokens);
            log_request!(INFO, CONTENT, log, rendered, "prompt rendered");
        }
        let info = &loaded.known.about.info;
        let parts = SamplerParts::new(
            settings,
            &loaded.llama,
            || loaded.ends(),
            info.vocabulary,
            info.context_size,
        )?;
        let answer = loaded.plan(asked.as_ref(), settings, &fitted.tokens)?;
        Ok(Ready {
            sampler: Sampler::new(settings, parts, &fitted.tokens),
            fitted,
            answer,
            past,
        })
    }
}

/// Logs what of a form is followed with less than its meaning. The notes quote the guest's form.
fn log_notes(constraint: &Constraint, log: &RequestLog) {
    let notes = constraint.notes();
    if notes.is_empty() {
        return;
    }
    if !shows_content() {
        log_request!(
            INFO,
            TASK,
            log,
            places = notes.len(),
            "the output form is followed with less than its meaning: `--log-content` shows where"
        );
        return;
    }
    for note in notes {
        log_request!(INFO, TASK, log, "the output form: {note}");
    }
}

/// Whether preparing a request for text may take long.
fn size_of(prompt: &Prompt, settings: &Effective) -> Size {
    let renderings = match prompt {
        Prompt::Messages(_) if settings.memory.context_shifting => RENDERINGS,
        Prompt::Messages(_) | Prompt::Text(_) | Prompt::Tokens(_) => 1,
    };
    // The schemas of tools are compiled, too.
    let tools = match prompt {
        Prompt::Messages(conversation) => conversation.tools.bytes(),
        Prompt::Text(_) | Prompt::Tokens(_) => 0,
    };
    let form = settings.output.as_ref().map_or(0, form_bytes) + tools;
    let sampling = &settings.sampling;
    let breakers = match sampling.dry_multiplier > 0.0 {
        true => sampling.dry_sequence_breakers.len(),
        false => 0,
    };
    if form > SMALL_FORM || breakers > FEW_BREAKERS {
        return Size::Large;
    }
    size_of_bytes(prompt.bytes().saturating_mul(renderings))
}

/// Whether preparing texts of this size may take long.
pub(super) fn size_of_bytes(bytes: u64) -> Size {
    match bytes <= SMALL_PROMPT {
        true => Size::Small,
        false => Size::Large,
    }
}

fn form_bytes(form: &OutputForm) -> u64 {
    let text = match form {
        OutputForm::JsonSchema(text)
        | OutputForm::Regex(text)
        | OutputForm::Lark(text)
        | OutputForm::Gbnf(text) => text,
    };
    text.len() as u64
}
