//! The loop of a model's worker and everything it owns: admit, plan, decode, sample, emit.

use std::time::{Duration, Instant};

use crate::llama::TokenId;

use super::cache::{DiskCache, DiskStart, Ease, Kv, StoreWait};
use super::constraint::ConstraintError;
use super::embed::Embedder;
use super::executor::Executor;
use super::perf_log::{PerfLog, Present};
use super::request_queue::SessionPlace;
use super::scheduler::Parked;
use super::sequence::{NoToken, Sequence, TokenTime};
use super::{RequestQueue, WorkerParams};
use crate::llama::{Ability, Batch, DecodeError, SavedSequence};
use crate::memory::Shelf;
use crate::schedule::{Need, Planner, StepBudget, Turn, Want};
use crate::status::StepNote;
use crate::{Error, FinishReason, RequestOutcome, SessionState, Status};

/// Steps that may fail in a row with the same request in them; then that request fails. Another one
/// where the context is made anew then.
const MAX_FAILURES: u32 = 3;

/// Steps that may fail in a row, whoever is in them; then the context is made anew.
const FAILURES_TO_RECOVERY: u32 = 3;

/// The loop and everything it owns. Lives on the worker thread.
pub(super) struct Engine<'a, C: Executor> {
    pub(super) kv: Kv<C>,
    pub(super) params: WorkerParams,
    pub(super) queue: &'a RequestQueue,
    /// Samples the sequences of a step.
    pub(super) samplers: &'a rayon::ThreadPool,
    pub(super) planner: Planner,
    step_budget: StepBudget,
    batch: Batch,
    pub(super) running: Vec<Sequence>,
    pub(super) parked: Vec<Parked>,
    /// What sequences left behind when they ended.
    pub(super) shelf: Shelf<TokenId, SavedSequence>,
    /// What of it is on disk, where there is a state folder.
    pub(super) stored: Option<DiskCache>,
    /// Its folder, while somebody else uses it.
    pub(super) awaited: Option<StoreWait>,
    /// Numbers of the context's sequences that nobody uses, falling: the lowest is taken first,
    /// since llama.cpp computes split sequences together only where their numbers follow one
    /// another.
    pub(super) free: Vec<u32>,
    pub(super) counters: Status,
    pub(super) ease: Ease,
    pub(super) embedder: Embedder<C::Embedding>,
    failures_in_a_row: u32,
    watch: PerfLog,
    piece: Vec<u8>,
}

impl<'a, C: Executor> Engine<'a, C> {
    pub(super) fn new(
        compute: C,
        params: WorkerParams,
        states: DiskStart,
        queue: &'a RequestQueue,
        samplers: &'a rayon::ThreadPool,
    ) -> Self {
        let (stored, awaited) = match states {
            DiskStart::None => (None, None),
            DiskStart::Open(stored) => (Some(*stored), None),
            DiskStart::InUse(awaited) => (None, Some(awaited)),
        };
        Self {
            kv: Kv::new(compute, params.context),
            queue,
            samplers,
            planner: Planner::new(params.context.batch, params.context.split),
            step_budget: StepBudget::default(),
            batch: Batch::default(),
            running: Vec::new(),
            parked: Vec::new(),
            shelf: Shelf::new(params.config.share_prefixes),
            stored,
            awaited,
            free: (0..params.context.sequences).rev().collect(),
            counters: Status {
                cells_total: u64::from(params.context.cells),
                cells_split: params.context.split,
                ..Status::default()
            },
            ease: Ease::new(params.config.max_parked_bytes),
            embedder: Embedder::new(&params),
            params,
            failures_in_a_row: 0,
            watch: PerfLog::new(Instant::now()),
            piece: Vec::new(),
        }
    }

    /// Computes one token and forgets it: reads the weights into memory, and shows that the model
    /// computes at all.
    ///
    /// # Errors
    ///
    /// Why it can't.
    pub(super) fn warm_up(&mut self) -> Result<(), String> {
        let (token, queue) = (self.kv.compute.first_token(), self.queue);
        let should_stop = || queue.is_closed();
        match self.params.ability {
            Ability::Continue => {
                self.batch.clear();
                self.batch.push(token, 0, 0, true);
                let computed = self.kv.decode(&mut self.batch, &should_stop);
                computed.map_err(|error| error.to_string())?;
                self.kv.clear(0);
            }
            Ability::Embed => self
                .embedder
                .warm_up(&self.kv.compute, token, &should_stop)?,
        }
        self.ease_pressure(Instant::now());
        self.publish();
        Ok(())
    }

    /// Runs until the queue is closed, or the context is lost for good.
    pub(super) fn run(&mut self) {
        while !self.queue.is_closed() {
            let now = Instant::now();
            self.queue.sweep(now);
            let ended = self.reap(now);
            self.forget_gone();
            self.close_idle(now);
            self.ease_pressure(now);
            // After it, so that what was read for somebody isn't dropped before he has it.
            self.note_disk(now);
            self.write_behind(now);
            let given = self.give_places(now);
            self.recall(now);
            if given || ended {
                // Before the step too, which may take long.
                self.publish();
            }
            let stepped = self.step();
            let embedded = self.embed(now);
            self.publish();
            match stepped {
                Ok(true) => {}
                Ok(false) if embedded => {}
                Ok(false) => self.queue.wait(self.next_deadline()),
                Err(reason) => {
                    let model = &**self.queue.model();
                    tracing::error!(
                        model,
                        reason,
                        "the model's context is lost: load the model again"
                    );
                    // Whoever reads is told before anything is written.
                    self.queue.close();
                    self.running.clear();
                    self.parked.clear();
                    self.forget_resident();
                    break;
                }
            }
        }
        self.store_all();
    }

    /// When the time of the next generation is over that has begun, there is something to write to
    /// disk, memory is to be looked at, or a request for vectors has had its time.
    fn next_deadline(&self) -> Option<Instant> {
        let parked = self.parked.iter().map(|parked| &parked.sequence);
        let all = self.running.iter().chain(parked);
        all.filter_map(Sequence::deadline)
            .chain(self.next_write())
            .chain(self.next_look())
            .chain(self.embedder.next_deadline())
            .min()
    }

    /// Ends what was cancelled, and what has had its time. Says whether there was any.
    fn reap(&mut self, now: Instant) -> bool {
        let before = self.running.len() + self.parked.len();
        for sequence in &mut self.running {
            sequence.note_pause(now);
        }
        let mut index = 0;
        while let Some(parked) = self.parked.get(index) {
            match parked.sequence.must_end(now) {
                None => index += 1,
                Some(outcome) => {
                    let parked = self.parked.remove(index);
                    self.count(&parked.sequence, &outcome);
                    parked.sequence.finish(outcome);
                }
            }
        }
        self.retire(|sequence| sequence.must_end(now));
        self.running.len() + self.parked.len() < before
    }

    /// Ends the running sequences for which `end` says how, and frees their places.
    pub(super) fn retire(
        &mut self,
        mut end: impl FnMut(&mut Sequence) -> Option<RequestOutcome<Error>>,
    ) {
        let mut index = 0;
        let mut retired = Vec::new();
        while let Some(sequence) = self.running.get_mut(index) {
            match end(sequence) {
                None => index += 1,
                Some(outcome) => {
                    let sequence = self.running.remove(index);
                    if outcome.error().is_none() {
                        self.leave_behind(&sequence, Instant::now());
                    } else {
                        self.release(sequence.id);
                    }
                    retired.push((sequence, outcome));
                }
            }
        }
        if retired.is_empty() {
            return;
        }
        for (sequence, outcome) in &retired {
            self.count(sequence, outcome);
        }
        // Before they are told: who has read the end finds published what it left.
        self.publish();
        for (sequence, outcome) in retired {
            sequence.finish(outcome);
        }
    }

    /// Counts a generation as ended. This comes before its reader gets the end, so that a reader
    /// who has seen the end finds it counted.
    fn count(&self, sequence: &Sequence, outcome: &RequestOutcome<Error>) {
        self.queue.ended(&sequence.owner, sequence.session, outcome);
    }

    /// Plans, decodes, samples and emits. Says whether there was anything to do.
    fn step(&mut self) -> Result<bool, String> {
        while self.make_room(&self.wants()) {}
        self.shift();
        let wants = self.wants();
        let decodes = |want: &&Want| !want.alone && want.need == Need::Decode;
        let decoding = wants.iter().filter(decodes).count();
        let prompts = wants.iter().filter_map(|want| match want.need {
            Need::Prefill(tokens) if !want.alone => Some(tokens),
            Need::Prefill(_) | Need::Decode | Need::Nothing => None,
        });
        let budget = self.step_budget.tokens(decoding, prompts);
        let turn = self.planner.next(&wants, budget, self.free_cells());
        self.batch.clear();
        match turn {
            None => return Ok(false),
            Some(Turn::Shared(shares)) => {
                for (sequence, share) in self.running.iter_mut().zip(shares) {
                    sequence.fill(&mut self.batch, share);
                }
            }
            Some(Turn::Alone { index, tokens }) => {
                for (other, sequence) in self.running.iter_mut().enumerate() {
                    let share = if other == index { tokens } else { 0 };
                    sequence.fill(&mut self.batch, share);
                }
            }
        }
        self.counters.steps += 1;
        let begun = Instant::now();
        match self.decode() {
            Ok(()) => {
                let took = begun.elapsed();
                let has_prompts = self.batch.output_count() < self.batch.len();
                if has_prompts {
                    self.step_budget.note(self.batch.len(), took);
                }
                self.failures_in_a_row = 0;
                self.update(took);
            }
            // Everybody in the batch was cancelled, or the model is closed: the next round sees to
            // it.
            Err(DecodeError::Aborted) => {
                self.counters.aborted_steps += 1;
                self.running.iter_mut().for_each(Sequence::step_lost);
            }
            Err(error) => self.recover(&error)?,
        }
        Ok(true)
    }

    fn wants(&self) -> Vec<Want> {
        self.running.iter().map(Sequence::want).collect()
    }

    fn decode(&mut self) -> Result<(), DecodeError> {
        let (queue, running) = (self.queue, &self.running);
        // An abort loses the step for everybody in the batch, so it needs all of them to be
        // cancelled. One that is not keeps the step, which the batch size bounds.
        self.kv.decode(&mut self.batch, &|| {
            let mut in_step = running.iter().filter(|sequence| sequence.is_in_step());
            queue.is_closed() || in_step.all(Sequence::is_cancelled)
        })
    }

    /// The step is done, and took so long: gives those their next token that have computed all
    /// tokens they had.
    fn update(&mut self, decode: Duration) {
        let begun = Instant::now();
        let mut note = StepNote {
            batch: (
                self.batch.len() as u64,
                u64::from(self.params.context.batch),
            ),
            decode,
            ..StepNote::default()
        };
        let kv = &mut self.kv;
        let in_step = self.running.iter_mut().filter(|one| one.is_in_step());
        self.queue.serve(in_step.map(|sequence| {
            let before = sequence.computed();
            let prompt = sequence.step_done();
            note.prompt += u64::from(prompt);
            kv.extend(sequence.id, sequence.computed() - before);
            let answer = u32::from(sequence.output().is_some());
            (&sequence.owner, prompt, answer)
        }));

        let mut chosen = self.sample().into_iter();
        let now = Instant::now();
        let (compute, context_tokens) = (&self.kv.compute, self.params.context_tokens);
        let piece = &mut self.piece;
        let mut ended = Vec::new();
        for sequence in &mut self.running {
            if sequence.output().is_none() {
                continue;
            }
            // Computing the same again would give the same: this one can't be retried.
            let decode = |reason| {
                RequestOutcome::Failed(Error::Decode {
                    attempts: 1,
                    reason,
                })
            };
            let end = match chosen.next().flatten() {
                Some(Ok(token)) if compute.is_end(token) => {
                    sequence.note_end_token();
                    Some(RequestOutcome::finished(FinishReason::EndOfGeneration))
                }
                Some(Ok(token)) => {
                    note.generated += 1;
                    match sequence.time_token(now) {
                        TokenTime::First(took) => note.first_tokens.push(took),
                        TokenTime::Next(took) => note.gaps.push(took),
                    }
                    piece.clear();
                    compute.piece(token, piece);
                    sequence.tell(token, |token| {
                        let mut piece = Vec::new();
                        compute.piece(token, &mut piece);
                        piece
                    });
                    match sequence.accept(token, piece, context_tokens) {
                        Ok(reason) => reason.map(RequestOutcome::finished),
                        Err(error) => Some(RequestOutcome::Failed(error.into())),
                    }
                }
                Some(Err(NoToken::Form(ConstraintError::DeadEnd))) => {
                    Some(RequestOutcome::finished(FinishReason::DeadEnd))
                }
                Some(Err(NoToken::Form(error))) => Some(RequestOutcome::Failed(error.into())),
                Some(Err(NoToken::Logits(error))) => Some(decode(error.to_string())),
                None => Some(decode("llama.cpp gave no logits".to_owned())),
            };
            if let Some(end) = end {
                ended.push((sequence.id, end));
            }
        }
        note.sampling = begun.elapsed();
        // Before those that end are told: who has read the end finds its tokens counted.
        self.queue.note_step(&note);
        let present = Present {
            running: self.running.len(),
            parked: self.parked.len(),
        };
        self.watch.note(self.queue.model(), &note, present, now);
        self.retire(|sequence| {
            let index = ended.iter().position(|(id, _)| *id == sequence.id)?;
            Some(ended.swap_remove(index).1)
        });
    }

    /// A decode failed: the cells of those in the batch are in an unknown state. Each is computed
    /// again by itself, so that only the one that can't be computed fails.
    fn recover(&mut self, error: &DecodeError) -> Result<(), String> {
        let model = &**self.queue.model();
        tracing::warn!(model, %error, "a decode step failed");
        self.counters.failed_steps += 1;
        self.failures_in_a_row += 1;
        // What the step was to move is not to be trusted either.
        let moved = self.kv.take_moved();
        let is_broken = self.failures_in_a_row >= FAILURES_TO_RECOVERY;
        let mut lost = Vec::new();
        for sequence in &mut self.running {
            let was_in_step = sequence.is_in_step();
            if !was_in_step && !moved.contains(&sequence.id) {
                continue;
            }
            self.kv.clear(sequence.id);
            sequence.restart();
            self.counters.recomputed += 1;
            if !was_in_step {
                continue;
            }
            let attempts = sequence.count_failure();
            // Where it may be the context's fault, it has another attempt with a new one.
            if attempts >= MAX_FAILURES && !is_broken {
                lost.push((sequence.id, attempts));
            }
        }
        self.retire(|sequence| {
            let (_, attempts) = *lost.iter().find(|(id, _)| *id == sequence.id)?;
            let reason = error.to_string();
            Some(RequestOutcome::Failed(Error::Decode { attempts, reason }))
        });
        if is_broken {
            self.failures_in_a_row = 0;
            self.counters.recoveries += 1;
            tracing::warn!(
                model,
                "steps fail in a row: making the model's context anew"
            );
            self.forget_resident();
            self.kv.reset()?;
            for sequence in &mut self.running {
                sequence.restart();
                self.counters.recomputed += 1;
            }
        }
        Ok(())
    }

    pub(super) fn publish(&mut self) {
        self.counters.running = self.running.len() + self.embedder.running();
        self.counters.parked = self.parked.len();
        self.counters.parked_bytes = self.parked_bytes();
        self.counters.cells_used = self.kv.used();
        self.counters.cells_idle = self.idle_cells();
        self.counters.cache.saved_bytes = self.saved_bytes();
        (
            self.counters.cache.resident_tokens,
            self.counters.cache.saved_tokens,
        ) = self.left_tokens();
        self.counters.disk = self.stored.as_ref().map(DiskCache::status);
        self.queue.publish(self.counters.clone(), self.places());
    }

    /// Where the sessions are, each once, in the order of their numbers.
    fn places(&self) -> Vec<SessionPlace> {
        let place = |session, state, tokens| SessionPlace {
            session,
            state,
            tokens,
        };
        let running = self.running.iter();
        let running = running.map(|one| place(one.session, SessionState::Running, one.len()));
        let parked = self.parked.iter().map(|parked| &parked.sequence);
        let parked = parked.map(|one| place(one.session, SessionState::Preempted, one.len()));
        let left = self.shelf.entries().iter().filter_map(|entry| {
            let state = match entry.resident() {
                Some(_) => SessionState::Resident,
                None => SessionState::Parked,
            };
            Some(place(entry.session?, state, entry.len()))
        });
        let mut places: Vec<SessionPlace> = running.chain(parked).chain(left).collect();
        // Stable: of a session that runs, that counts.
        places.sort_by_key(|place| place.session);
        places.dedup_by_key(|place| place.session);
        places
    }
}
