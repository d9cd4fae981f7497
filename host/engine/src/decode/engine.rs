//! The text loop's step: schedule, execute, update.

use std::path::Path;
use std::time::{Duration, Instant};

use mynah_core::{Error, FinishReason, PressureLevel, RequestOutcome, Status, StepNote};
use mynah_grammar::ConstraintError;
use mynah_llama::{Batch, DecodeError};

use super::WorkerParams;
use super::cache::{CacheManager, DiskState, SequenceId};
use super::executor::Executor;
use super::perf_log::{PerfLog, Present};
use super::request_queue::{RequestQueue, SessionPosition};
use super::sample::{Sampled, sample};
use super::scheduler::{Scheduler, StepPlan};
use super::sequence::{NoToken, Sequence, Spelling, TokenTime};
use crate::EngineError;

/// A request fails after it was part of this many failed steps in a row. It gets one more if the
/// context was made anew meanwhile.
const MAX_FAILURES: u32 = 3;

/// After this many failed steps in a row, the context is made anew.
const FAILURES_TO_RECOVERY: u32 = 3;

/// Computes generations. Lives on the worker thread.
pub(super) struct Engine<'a, C> {
    params: WorkerParams,
    queue: &'a RequestQueue,
    scheduler: Scheduler<'a>,
    cache: CacheManager<C>,
    /// Samples the sequences of a step.
    threads: &'a rayon::ThreadPool,
    batch: Batch,
    counters: Status,
    failures_in_a_row: u32,
    perf_log: PerfLog,
}

/// Sequences that end, and how.
type Ended = Vec<(SequenceId, RequestOutcome<Error>)>;

impl<'a, C: Executor> Engine<'a, C> {
    pub(super) fn new(
        executor: C,
        params: WorkerParams,
        disk: DiskState,
        queue: &'a RequestQueue,
        threads: &'a rayon::ThreadPool,
    ) -> Self {
        let scheduler = Scheduler::new(&params, queue);
        let chunk = scheduler.chunk();
        let model = queue.model().clone();
        Self {
            queue,
            scheduler,
            cache: CacheManager::new(executor, params.clone(), chunk, disk, model),
            threads,
            batch: Batch::default(),
            counters: Status {
                cells_total: u64::from(params.context.cells),
                cells_split: params.context.split,
                ..Status::default()
            },
            params,
            failures_in_a_row: 0,
            perf_log: PerfLog::new(Instant::now()),
        }
    }

    /// Computes one token and discards it. This reads the weights into memory, and shows that the
    /// model works.
    ///
    /// # Errors
    ///
    /// Why it can't.
    pub(super) fn warm_up(&mut self) -> Result<(), String> {
        let queue = self.queue;
        let token = self.cache.executor().first_token();
        self.batch.clear();
        self.batch.push(token, 0, 0, true);
        let computed = self.cache.decode(&mut self.batch, &|| queue.is_closed());
        computed.map_err(|error| error.to_string())?;
        self.cache.clear(0);
        Ok(())
    }

    /// Measures memory, and publishes the status before the first step.
    pub(super) fn start(&mut self) {
        self.cache.tick(Instant::now(), self.queue.memory());
        self.publish();
    }

    /// Schedules, executes and updates once. Returns whether there was anything to compute.
    ///
    /// # Errors
    ///
    /// Why the context is lost for good.
    pub(super) fn step(&mut self, now: Instant) -> Result<bool, String> {
        let plan = self.schedule(now);
        if let Some(plan) = &plan {
            match self.execute(plan) {
                Ok(took) => self.update(took),
                Err(error) => self.recover(&error)?,
            }
        }
        self.publish();
        Ok(plan.is_some())
    }

    /// When [`step`](Self::step) has work to do though nothing happens: a generation has had its
    /// time, an entry is to be written to disk, or memory is to be looked at.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [self.scheduler.next_deadline(), self.cache.next_tick()];
        deadlines.into_iter().flatten().min()
    }

    /// The context is lost for good: all generations end with an error.
    pub(super) fn abandon(&mut self) {
        self.scheduler.abandon();
        self.cache.forget_resident();
    }

    /// Ends what was cancelled, and writes the cache to disk: the model leaves memory. If its file
    /// has changed, the cache is removed instead.
    pub(super) fn shut_down(&mut self) {
        self.end_due(Instant::now());
        if self.cache.executor().has_file_changed() {
            self.cache.forget_all();
        } else {
            self.cache.write_all();
        }
    }

    /// Ends requests that are due, admits those that have room, and plans the next step. `None` if
    /// there is nothing to compute.
    fn schedule(&mut self, now: Instant) -> Option<StepPlan> {
        let ended = self.end_due(now);
        self.close_idle_sessions(now);
        self.cache.tick(now, self.queue.memory());
        let admitted = self.scheduler.admit(&mut self.cache, now);
        self.scheduler.reuse_prefixes(&mut self.cache, now);
        if ended || admitted {
            // The step may take long, so readers see this before it.
            self.publish();
        }
        self.scheduler.make_room(&mut self.cache);
        let context_tokens = self.params.context_tokens;
        let full = self
            .scheduler
            .shift_contexts(context_tokens, &mut self.cache);
        self.retire(full);
        self.scheduler.plan(&self.cache)
    }

    /// Ends the generations that were cancelled or have had their time. Returns whether there was
    /// any.
    fn end_due(&mut self, now: Instant) -> bool {
        let parked = self.scheduler.take_due_parked(now);
        let running = self.scheduler.due(now);
        let ended = !(parked.is_empty() && running.is_empty());
        self.finish(parked);
        self.retire(running);
        ended
    }

    /// Closes the sessions that were idle for too long.
    fn close_idle_sessions(&mut self, now: Instant) {
        let is_short = self.cache.pressure().level >= PressureLevel::Close;
        for session in self.queue.sweep_sessions(now, is_short) {
            self.cache.forget_session(session);
        }
    }

    /// Ends running sequences. The cache keeps their computed tokens, unless they failed.
    fn retire(&mut self, ended: Ended) {
        let (now, chunk) = (Instant::now(), self.scheduler.chunk());
        let mut retired = Vec::new();
        for (id, outcome) in ended {
            let Some(sequence) = self.scheduler.running.remove(id) else {
                continue;
            };
            match outcome.error() {
                None => self.cache.retain(sequence.finished(chunk), now),
                Some(_) => self.cache.release(id),
            }
            retired.push((sequence, outcome));
        }
        self.finish(retired);
    }

    /// Counts generations as ended and tells their readers.
    fn finish(&mut self, ended: Vec<(Sequence, RequestOutcome<Error>)>) {
        if ended.is_empty() {
            return;
        }
        for (sequence, outcome) in &ended {
            self.queue.ended(&sequence.owner, sequence.session, outcome);
        }
        // Published first, so that a reader who has seen the end also finds it counted.
        self.publish();
        for (sequence, outcome) in ended {
            sequence.finish(outcome);
        }
    }

    /// Computes the batch of a plan. Returns how long it took.
    fn execute(&mut self, plan: &StepPlan) -> Result<Duration, DecodeError> {
        self.batch.clear();
        for (id, tokens) in plan {
            if let Some(sequence) = self.scheduler.running.get_mut(*id) {
                sequence.fill(&mut self.batch, *tokens);
            }
        }
        self.counters.steps += 1;
        let (queue, running) = (self.queue, &self.scheduler.running);
        // An abort loses the step for every sequence in the batch, so all of them must be
        // cancelled. If one is not, the step continues. The batch size limits its duration.
        let should_stop = || {
            let mut in_step = running.iter().filter(|sequence| sequence.is_in_step());
            queue.is_closed() || in_step.all(Sequence::is_cancelled)
        };
        self.cache.decode(&mut self.batch, &should_stop)
    }

    /// The step is done, and its decode took so long: gives each sequence that has computed all its
    /// tokens the next one.
    fn update(&mut self, decode: Duration) {
        self.failures_in_a_row = 0;
        let has_prompts = self.batch.output_count() < self.batch.len();
        if has_prompts {
            self.scheduler.note_step(self.batch.len(), decode);
        }
        let begun = Instant::now();
        let mut note = StepNote {
            batch: (
                self.batch.len() as u64,
                u64::from(self.params.context.batch),
            ),
            decode,
            ..StepNote::default()
        };
        self.account(&mut note);
        let ended = self.next_tokens(&mut note);
        note.sampling = begun.elapsed();
        // Counted first, so that a reader who has seen the end of a generation also finds its
        // tokens counted.
        self.queue.note_step(&note);
        let present = Present {
            running: self.scheduler.running.len(),
            parked: self.scheduler.parked(),
        };
        let model = self.queue.model();
        self.perf_log.note(model, &note, present, Instant::now());
        self.retire(ended);
    }

    /// Accounts for the tokens of a step: in the cells, and with their owners.
    fn account(&mut self, note: &mut StepNote) {
        let cache = &mut self.cache;
        let running = self.scheduler.running.iter_mut();
        let in_step = running.filter(|sequence| sequence.is_in_step());
        self.queue.serve(in_step.map(|sequence| {
            let before = sequence.computed();
            let prompt = sequence.step_done();
            note.prompt += u64::from(prompt);
            cache.computed(sequence.id, sequence.computed() - before);
            let answer = u32::from(sequence.output().is_some());
            (&sequence.owner, prompt, answer)
        }));
    }

    /// Samples the next tokens and passes them on. Returns the sequences that end with them.
    fn next_tokens(&mut self, note: &mut StepNote) -> Ended {
        let executor = self.cache.executor();
        let running = self.scheduler.running.iter_mut();
        let work = running.filter_map(|sequence| {
            let output = sequence.output()?;
            Some((sequence, executor.logits(output)))
        });
        let mut sampled = sample(work.collect(), self.threads).into_iter();
        let now = Instant::now();
        let mut ended = Vec::new();
        let running = self.scheduler.running.iter_mut();
        for sequence in running.filter(|sequence| sequence.output().is_some()) {
            let token = sampled.next().flatten();
            let end = accept(token, sequence, executor, &self.params, note, now);
            ended.extend(end.map(|outcome| (sequence.id, outcome)));
        }
        ended
    }

    /// Recovers after a decode failed or was aborted. After a failure, the cells of the sequences
    /// in the batch are in an unknown state. Each sequence is computed again separately, so that
    /// only the one that cannot be computed fails.
    fn recover(&mut self, error: &DecodeError) -> Result<(), String> {
        if *error == DecodeError::Aborted {
            // All sequences in the batch were cancelled, or the model is closed. The next step sees
            // to that.
            self.counters.aborted_steps += 1;
            let running = self.scheduler.running.iter_mut();
            running.for_each(Sequence::step_lost);
            return Ok(());
        }
        let model = &**self.queue.model();
        tracing::warn!(model, %error, "a decode step failed");
        if let DecodeError::FileChanged { path } = error {
            self.counters.failed_steps += 1;
            self.fail_all(path);
            return Ok(());
        }
        self.counters.failed_steps += 1;
        self.failures_in_a_row += 1;
        let is_broken = self.failures_in_a_row >= FAILURES_TO_RECOVERY;
        let lost = self.restart_failed(error, is_broken);
        self.retire(lost);
        if is_broken {
            self.failures_in_a_row = 0;
            self.counters.recoveries += 1;
            tracing::warn!(
                model,
                "steps fail in a row: making the model's context anew"
            );
            self.cache.reset()?;
            for sequence in self.scheduler.running.iter_mut() {
                sequence.restart();
                self.counters.recomputed += 1;
            }
        }
        Ok(())
    }

    /// Ends all generations: the model's file has changed. Those that wait fail likewise when their
    /// turn comes; the next request loads the model anew.
    fn fail_all(&mut self, path: &Path) {
        let changed = || {
            let path = path.to_owned();
            RequestOutcome::Failed(EngineError::FileChanged { path }.into())
        };
        let running = self.scheduler.running.iter();
        let lost = running.map(|sequence| (sequence.id, changed())).collect();
        let parked = self.scheduler.take_parked();
        self.retire(lost);
        self.finish(parked.map(|sequence| (sequence, changed())).collect());
        self.cache.forget_all();
    }

    /// Computes the sequences of a failed step again. Returns those that have failed too often.
    fn restart_failed(&mut self, error: &DecodeError, is_broken: bool) -> Ended {
        // Sequences that the step was to move are not to be trusted either.
        let moved = self.cache.take_moved();
        let mut lost = Vec::new();
        for sequence in self.scheduler.running.iter_mut() {
            let was_in_step = sequence.is_in_step();
            if !was_in_step && !moved.contains(&sequence.id) {
                continue;
            }
            self.cache.clear(sequence.id);
            sequence.restart();
            self.counters.recomputed += 1;
            if !was_in_step {
                continue;
            }
            let attempts = sequence.count_failure();
            // Where it may be the context's fault, the sequence has another attempt with a new one.
            if attempts >= MAX_FAILURES && !is_broken {
                let reason = error.to_string();
                let outcome = RequestOutcome::Failed(Error::Decode { attempts, reason });
                lost.push((sequence.id, outcome));
            }
        }
        lost
    }

    /// Publishes the worker's status.
    fn publish(&self) {
        let mut status = self.counters.clone();
        self.scheduler.report(&mut status);
        self.cache.report(&mut status);
        self.queue.publish(status, self.sessions());
    }

    /// Where the sessions are, each once, in the order of their numbers.
    fn sessions(&self) -> Vec<SessionPosition> {
        let entries = self.cache.sessions();
        let entries = entries.map(|(session, state, tokens)| SessionPosition {
            session,
            state,
            tokens,
        });
        let mut sessions: Vec<_> = self.scheduler.sessions().chain(entries).collect();
        // Stable: the sequence of a session goes before its entry.
        sessions.sort_by_key(|position| position.session);
        sessions.dedup_by_key(|position| position.session);
        sessions
    }
}

/// Adds a sequence's next token. Returns the reason if the sequence ends with it.
fn accept(
    token: Sampled,
    sequence: &mut Sequence,
    executor: &impl Executor,
    params: &WorkerParams,
    note: &mut StepNote,
    now: Instant,
) -> Option<RequestOutcome<Error>> {
    // Computing the same again would give the same: such a failure is not retried.
    let failed = |reason| {
        let attempts = 1;
        Some(RequestOutcome::Failed(Error::Decode { attempts, reason }))
    };
    let token = match token {
        Some(Ok(token)) => token,
        Some(Err(NoToken::Form(ConstraintError::DeadEnd))) => {
            return Some(RequestOutcome::finished(FinishReason::DeadEnd));
        }
        Some(Err(NoToken::Form(error))) => return Some(RequestOutcome::Failed(error.into())),
        Some(Err(NoToken::Logits(error))) => return failed(error.to_string()),
        None => return failed("llama.cpp gave no logits".to_owned()),
    };
    if executor.is_end(token) {
        sequence.note_end_token();
        return Some(RequestOutcome::finished(FinishReason::EndOfGeneration));
    }
    note.generated += 1;
    match sequence.time_token(now) {
        TokenTime::First(took) => note.first_tokens.push(took),
        TokenTime::Next(took) => note.gaps.push(took),
    }
    let piece = |token| {
        let mut piece = Vec::new();
        executor.piece(token, &mut piece);
        piece
    };
    sequence.pass_on_probs(token, piece);
    let text = piece(token);
    let mut control = Vec::new();
    if text.is_empty() {
        executor.control(token, &mut control);
    }
    let spelling = Spelling {
        text: &text,
        control: &control,
    };
    match sequence.accept(token, spelling, params.context_tokens) {
        Ok(reason) => reason.map(RequestOutcome::finished),
        Err(error) => Some(RequestOutcome::Failed(error.into())),
    }
}
