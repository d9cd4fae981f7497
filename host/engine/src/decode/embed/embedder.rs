//! Computes vectors in steps of its own: which texts a step reads, and how their vectors are put
//! together.

use std::time::{Duration, Instant};

use mynah_core::log::{TASK, log_request, millis};
use mynah_core::{EmbeddingStatus, Error, RequestOutcome, StepNote, TokenId, Usage};
use mynah_llama::{Ability, Batch, ContextParams, DecodeError};

use super::job::{EmbedJob, Vectors};
use super::pool::Pool;
use crate::EngineError;
use crate::decode::WorkerParams;
use crate::decode::executor::EmbedExecutor;
use crate::decode::request_queue::RequestQueue;

/// Texts that are computed side by side.
const SEQUENCES: u32 = 8;

/// Tokens of a step. llama.cpp computes the logits of each of them too, which take 8 bytes for each
/// token of the vocabulary, so there must not be many. With fewer tokens it would not use its
/// faster attention.
const BATCH: u32 = 64;

/// Tokens of a step of a model that reads each text as a whole. A step may have several texts; the
/// cost of attention grows with all their tokens. A longer text has a step of its own.
const SIDE_BY_SIDE: usize = 512;

/// The context is dropped when no vectors were asked for during this time.
const KEPT: Duration = Duration::from_secs(60);

/// Makes the context of an embedder.
type MakeExecutor<'a, E> = Box<dyn Fn(ContextParams) -> Result<E, String> + 'a>;

/// Computes requests for vectors. Lives on the worker thread, and takes turns with the text loop.
pub(in crate::decode) struct Embedder<'a, E> {
    queue: &'a RequestQueue,
    make: MakeExecutor<'a, E>,
    params: ContextParams,
    /// With [`Ability::Embed`] a text is read in one step.
    ability: Ability,
    /// Made when it is needed, and dropped when it was not needed for a while.
    context: Option<E>,
    used_at: Instant,
    batch: Batch,
    jobs: Vec<Running>,
    /// Texts that have begun, in their order. Each has a sequence.
    texts: Vec<Text>,
    free: Vec<u32>,
    next_job: u64,
    counters: EmbeddingStatus,
}

/// A request that has begun.
#[derive(Debug)]
struct Running {
    number: u64,
    job: EmbedJob,
    /// How many of its texts have begun.
    begun: usize,
    begun_at: Instant,
    /// Tokens of all its texts.
    prompt_tokens: u32,
    vectors: Vec<Option<Vec<f32>>>,
}

/// A text that has begun.
#[derive(Debug)]
struct Text {
    id: u32,
    /// The number of its request.
    job: u64,
    /// Its index in the request.
    index: usize,
    tokens: Vec<TokenId>,
    /// Its steps have no other text.
    is_alone: bool,
    /// How many of its tokens are computed.
    computed: usize,
    /// Its tokens in the batch of this step.
    in_step: std::ops::Range<usize>,
    pool: Pool,
}

impl<'a, E: EmbedExecutor> Embedder<'a, E> {
    /// `params` are those of the worker. The maximum number of tokens of a text is that of a
    /// session. `make` creates the context when it is needed.
    pub(in crate::decode) fn new(
        params: &WorkerParams,
        queue: &'a RequestQueue,
        make: impl Fn(ContextParams) -> Result<E, String> + 'a,
    ) -> Self {
        let batch = match params.ability {
            Ability::Continue => BATCH.min(params.context.batch).min(params.context_tokens),
            Ability::Embed => params.context_tokens,
        };
        Self {
            queue,
            make: Box::new(make),
            params: ContextParams {
                cells: params.context_tokens,
                split: false,
                batch,
                sequences: SEQUENCES,
                swa_full: true,
                embeddings: true,
                ..params.context
            },
            ability: params.ability,
            context: None,
            used_at: Instant::now(),
            batch: Batch::default(),
            jobs: Vec::new(),
            texts: Vec::new(),
            free: (0..SEQUENCES).rev().collect(),
            next_job: 0,
            counters: EmbeddingStatus::default(),
        }
    }

    /// Creates the context and computes one token, which shows that the model works.
    ///
    /// # Errors
    ///
    /// Why it can't.
    pub(in crate::decode) fn warm_up(&mut self, token: TokenId) -> Result<(), String> {
        let queue = self.queue;
        let mut context = (self.make)(self.params)?;
        self.batch.clear();
        self.batch.push(token, 0, 0, true);
        let computed = context.decode(&mut self.batch, &|| queue.is_closed());
        computed.map_err(|error| error.to_string())?;
        context.clear_sequence(0);
        self.context = Some(context);
        Ok(())
    }

    /// The next time at which a request has had its time, or the context is dropped.
    pub(in crate::decode) fn next_deadline(&self) -> Option<Instant> {
        let deadlines = self.jobs.iter().filter_map(|running| running.deadline());
        let given_up = self.context.as_ref().map(|_| self.used_at + KEPT);
        deadlines.chain(given_up).min()
    }

    fn job(&self, number: u64) -> Option<&Running> {
        self.jobs.iter().find(|running| running.number == number)
    }

    /// Takes a request out, with the sequences that it has.
    fn take(&mut self, number: u64) -> Option<Running> {
        let index = self.jobs.iter().position(|one| one.number == number)?;
        for text in self.texts.extract_if(.., |text| text.job == number) {
            if let Some(context) = &mut self.context {
                context.clear_sequence(text.id);
            }
            self.free.push(text.id);
        }
        Some(self.jobs.remove(index))
    }

    /// Begins the next texts of the requests that have begun, while there are sequences and cells.
    /// Returns whether there is room for another request.
    fn begin_texts(&mut self) -> bool {
        loop {
            let mut jobs = self.jobs.iter_mut();
            let next = jobs.find_map(
                |Running {
                     number, job, begun, ..
                 }| {
                    let text = job.texts.get_mut(*begun)?;
                    Some((*number, begun, text, job.pooling, job.deterministic))
                },
            );
            let Some((number, begun, text, pooling, is_alone)) = next else {
                return !self.free.is_empty();
            };
            let held: usize = self.texts.iter().map(|text| text.tokens.len()).sum();
            if held + text.len() > self.params.cells as usize && held > 0 {
                return false;
            }
            let Some(id) = self.free.pop() else {
                return false;
            };
            self.texts.push(Text {
                id,
                job: number,
                index: *begun,
                tokens: std::mem::take(text),
                is_alone,
                computed: 0,
                in_step: 0..0,
                pool: Pool::new(pooling),
            });
            *begun += 1;
        }
    }

    /// Fills the batch with texts in their order: as many tokens of each as there is room for, or
    /// the whole text if the model reads it as one. A text of a deterministic request is alone in
    /// it.
    fn fill(&mut self) {
        self.batch.clear();
        let mut room = self.params.batch as usize;
        let is_whole = self.ability == Ability::Embed;
        if is_whole {
            let first = self.texts.first().map_or(0, |text| text.tokens.len());
            room = room.min(SIDE_BY_SIDE.max(first));
        }
        let first_is_alone = self.texts.first().is_some_and(|text| text.is_alone);
        for (index, text) in self.texts.iter_mut().enumerate() {
            text.in_step = 0..0;
            if index > 0 && (first_is_alone || text.is_alone)
                || is_whole && text.tokens.len() > room
            {
                continue;
            }
            let from = self.batch.len();
            let positions = (0u32..).skip(text.computed);
            let uncomputed = text.tokens.iter().skip(text.computed);
            for (token, position) in uncomputed.zip(positions).take(room) {
                self.batch.push(*token, position, text.id, true);
            }
            text.in_step = from..self.batch.len();
            room -= text.in_step.len();
        }
    }

    /// The step is done: takes its rows. Returns the requests that have all their vectors.
    fn take_rows(&mut self) -> Result<Vec<(u64, Vectors)>, DecodeError> {
        let Some(context) = &mut self.context else {
            return Ok(Vec::new());
        };
        for text in &mut self.texts {
            for index in text.in_step.clone() {
                let row = context
                    .row(index)
                    .ok_or(DecodeError::Invalid("llama.cpp gave no vector for a token"))?;
                text.pool.add(row);
            }
            text.computed += text.in_step.len();
        }
        for text in self
            .texts
            .extract_if(.., |text| text.computed == text.tokens.len())
        {
            context.clear_sequence(text.id);
            self.free.push(text.id);
            let running = self.jobs.iter_mut().find(|one| one.number == text.job);
            let vector = running.and_then(|one| one.vectors.get_mut(text.index));
            if let Some(vector) = vector {
                *vector = Some(text.pool.vector());
            }
        }
        let mut done = Vec::new();
        for running in &mut self.jobs {
            if running.vectors.iter().all(Option::is_some) {
                let vectors = std::mem::take(&mut running.vectors);
                done.push((running.number, vectors.into_iter().flatten().collect()));
            }
        }
        Ok(done)
    }

    /// Computes one step for requests for vectors. Returns whether there was anything to do.
    pub(in crate::decode) fn step(&mut self, now: Instant) -> bool {
        self.end_due(now);
        while self.begin_texts() {
            let Some(job) = self.queue.pop_embedding(now) else {
                break;
            };
            self.begin(job, now);
        }
        if self.texts.is_empty() {
            if now.saturating_duration_since(self.used_at) >= KEPT {
                self.context = None;
            }
            return false;
        }
        self.publish();
        self.used_at = now;
        if let Err(error) = self.compute() {
            self.fail(&error);
        }
        true
    }

    fn begin(&mut self, job: EmbedJob, now: Instant) {
        let number = self.next_job;
        self.next_job += 1;
        log_request!(
            DEBUG,
            TASK,
            job.log,
            prompt_tokens = job.tokens(),
            queue_ms = millis(now.saturating_duration_since(job.asked_at)),
            "request started"
        );
        self.jobs.push(Running {
            number,
            begun: 0,
            begun_at: now,
            prompt_tokens: job.tokens(),
            vectors: vec![None; job.texts.len()],
            job,
        });
    }

    /// Ends the requests that were cancelled or have had their time.
    pub(in crate::decode) fn end_due(&mut self, now: Instant) {
        let due: Vec<_> = self
            .jobs
            .iter()
            .filter_map(|running| Some((running.number, running.must_end(now)?)))
            .collect();
        for (number, outcome) in due {
            self.end(number, outcome, Vectors::new());
        }
    }

    /// Ends a request; its reader gets the vectors unless there is an error.
    fn end(&mut self, number: u64, outcome: RequestOutcome<Error>, vectors: Vectors) {
        let Some(running) = self.take(number) else {
            return;
        };
        let usage = running.usage(Instant::now());
        let job = running.job;
        self.queue.ended(&job.owner, job.session, &outcome);
        // Published first, so that a reader who has the vectors also finds them counted.
        self.publish();
        job.log.end(outcome.as_ref(), &usage);
        // This fails if the reader is gone.
        let _ = job.answer.send(outcome.into_result().map(|_| vectors));
    }

    fn compute(&mut self) -> Result<(), Broken> {
        if self.context.is_none() {
            let made = (self.make)(self.params);
            self.context = Some(made.map_err(Broken::NoContext)?);
        }
        self.fill();
        let Some(context) = &mut self.context else {
            return Ok(());
        };
        let (queue, jobs) = (self.queue, &self.jobs);
        let should_stop =
            || queue.is_closed() || jobs.iter().all(|running| running.job.answer.is_closed());
        match context.decode(&mut self.batch, &should_stop) {
            Ok(()) => {}
            // The next step sees to it.
            Err(DecodeError::Aborted) => return Ok(()),
            Err(error) => return Err(Broken::Step(error)),
        }
        let in_step = self.texts.iter().filter(|text| !text.in_step.is_empty());
        self.queue.serve(in_step.filter_map(|text| {
            let owner = &self.job(text.job)?.job.owner;
            Some((owner, u32::try_from(text.in_step.len()).ok()?, 0))
        }));
        self.counters.steps += 1;
        self.queue.note_step(&StepNote {
            prompt: self.batch.len() as u64,
            ..StepNote::default()
        });
        let done = self.take_rows().map_err(Broken::Step)?;
        let texts: usize = done.iter().map(|(_, vectors)| vectors.len()).sum();
        self.counters.texts += texts as u64;
        for (number, vectors) in done {
            self.end(number, RequestOutcome::Completed(None), vectors);
        }
        Ok(())
    }

    /// A step failed: all requests that have begun fail with it, and the next one gets a new
    /// context.
    fn fail(&mut self, broken: &Broken) {
        let params = self.params;
        let model = &**self.queue.model();
        let error = broken.error(&params);
        tracing::warn!(model, %error, "a step of embedding failed");
        self.context = None;
        let numbers: Vec<u64> = self.jobs.iter().map(|running| running.number).collect();
        for number in numbers.into_iter().rev() {
            let outcome = RequestOutcome::Failed(broken.error(&params));
            self.end(number, outcome, Vectors::new());
        }
    }

    fn publish(&self) {
        self.queue.publish_embedding(self.jobs.len(), self.counters);
    }
}

impl Running {
    fn deadline(&self) -> Option<Instant> {
        // A limit is at most a day, so this is never out of range.
        self.job.max_time.map(|most| self.job.asked_at + most)
    }

    /// How it ends now, if its reader is gone or it has had its time.
    fn must_end(&self, now: Instant) -> Option<RequestOutcome<Error>> {
        if self.job.answer.is_closed() {
            return Some(RequestOutcome::Cancelled);
        }
        let limit = self.job.max_time?;
        let is_over = self.deadline().is_some_and(|deadline| deadline <= now);
        is_over.then_some(RequestOutcome::TimedOut(Error::MaxTime { limit }))
    }

    /// The usage so far.
    fn usage(&self, now: Instant) -> Usage {
        Usage {
            prompt_tokens: self.prompt_tokens,
            queue_time: self.begun_at.saturating_duration_since(self.job.asked_at),
            prefill_time: now.saturating_duration_since(self.begun_at),
            ..Usage::default()
        }
    }
}

/// Why a step failed.
#[derive(Debug)]
enum Broken {
    NoContext(String),
    Step(DecodeError),
}

impl Broken {
    fn error(&self, params: &ContextParams) -> Error {
        match self {
            Self::NoContext(reason) => EngineError::Context {
                cells: u64::from(params.cells),
                max_concurrent: params.sequences,
                ctx_size: params.cells,
                reason: reason.clone(),
            }
            .into(),
            Self::Step(DecodeError::FileChanged { path }) => {
                EngineError::FileChanged { path: path.clone() }.into()
            }
            Self::Step(error) => Error::Decode {
                attempts: 1,
                reason: error.to_string(),
            },
        }
    }
}
