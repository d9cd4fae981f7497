//! A started generation in the worker: the progress of its prompt and its answer, and its needs for
//! the next step.

mod answer;
mod characters;
mod reader;
mod reuse;
mod stop;
mod token_choice;
mod trim_policy;
mod usage;

pub(crate) use reader::AnswerReader;
pub(super) use reuse::Start;
pub(crate) use token_choice::BeforeForm;
pub(crate) use trim_policy::{TrimPolicy, Turns};

use std::sync::Arc;
use std::time::{Duration, Instant};

use answer::Answer;
pub(super) use answer::Spelling;
use mynah_core::TokenId;
use mynah_grammar::ConstraintError;
use mynah_llama::Batch;
use mynah_schedule::{Alignment, Holder, Need, Want};
pub(super) use token_choice::NoToken;
use token_choice::TokenChoice;
use usage::{Times, Tokens};

use super::Job;
use super::cache::SequenceId;
use super::job;
use mynah_core::RequestLog;
use mynah_core::log::{CONTENT, log_request};
use mynah_core::{Error, FinishReason, Owner, RequestOutcome};
use mynah_settings::{Effective, Priority};

/// One generation that has begun. It keeps all its tokens, so that it can be computed again.
#[derive(Debug)]
pub(super) struct Sequence {
    /// Its number in the context. It has no meaning while the sequence is parked.
    pub(super) id: SequenceId,
    pub(super) log: Arc<RequestLog>,
    pub(super) owner: Owner,
    pub(super) priority: Priority,
    pub(super) session: u64,
    pub(super) settings: Arc<Effective>,
    // The prompt, then the generated tokens, without those that were dropped to make room. The
    // first `computed` are in KV cells.
    tokens: Vec<TokenId>,
    prompt_len: u32,
    computed: u32,
    // Tokens that it has used, with those that were dropped.
    counts: Tokens,
    // Whether its prompt has been looked up in the cache.
    start: Start,
    // Whether the lookup has been counted.
    is_lookup_counted: bool,
    // Tokens in its cells beyond `computed` that can be reused once they are moved.
    pieces: Option<Alignment>,
    trim_policy: Option<TrimPolicy>,
    // Prompt tokens that were accounted to its owner.
    served: u32,
    // Tokens that it has in the batch of this step.
    in_step: u32,
    // Index in the batch of this step whose logits decide the next token.
    output: Option<usize>,
    choice: TokenChoice,
    answer: Answer,
    // Failed steps in a row with it in them. From the first on it is computed alone until a step
    // succeeds, so that it fails no other sequence.
    failures: u32,
    deadline: Option<Instant>,
    paused_at: Option<Instant>,
    resumed_at: Option<Instant>,
    times: Times,
}

/// How long a token took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenTime {
    /// Since the request.
    First(Duration),
    /// Since the token before.
    Next(Duration),
}

impl Sequence {
    pub(super) fn new(id: SequenceId, job: Job) -> Self {
        let prompt_len = job.prompt_tokens();
        let answer = Answer::new(job.settings.stopping.stop.clone(), job.reader, job.stream);
        Self {
            id,
            log: job.log,
            owner: job.owner,
            priority: job.settings.scheduling.priority,
            session: job.session,
            prompt_len,
            tokens: job.prompt,
            computed: 0,
            counts: Tokens {
                prompt: prompt_len,
                forgotten: job.forgotten,
                ..Tokens::default()
            },
            start: Start::Fresh,
            is_lookup_counted: false,
            pieces: None,
            trim_policy: job.trim_policy,
            served: 0,
            in_step: 0,
            output: None,
            choice: TokenChoice::new(
                job.sampler,
                job.constraint,
                job.before_form,
                answer.is_reasoning(),
                job.settings.sampling.n_probs,
            ),
            answer,
            failures: 0,
            // A limit is at most a day, so this is never out of range.
            deadline: job
                .settings
                .stopping
                .max_time
                .map(|limit| job.asked_at + limit),
            settings: job.settings,
            paused_at: None,
            resumed_at: None,
            times: Times {
                asked: job.asked_at,
                begun: None,
                first_token: None,
                last_token: None,
            },
        }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.answer.is_cancelled()
    }

    /// When its request arrived.
    pub(super) fn asked_at(&self) -> Instant {
        self.times.asked
    }

    /// When its time is over, if its request limits it.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// How it ends now, if it was cancelled or its time is over.
    pub(super) fn must_end(&self, now: Instant) -> Option<RequestOutcome<Error>> {
        if self.is_cancelled() {
            Some(RequestOutcome::Cancelled)
        } else if self.deadline.is_some_and(|deadline| deadline <= now) {
            Some(RequestOutcome::finished(FinishReason::MaxTime))
        } else {
            None
        }
    }

    /// How many tokens it has.
    pub(super) fn len(&self) -> u32 {
        // Fits: bounded by the context.
        u32::try_from(self.tokens.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn tokens(&self) -> &[TokenId] {
        &self.tokens
    }

    /// The tokens that are in KV cells.
    pub(super) fn computed_tokens(&self) -> &[TokenId] {
        self.tokens
            .get(..self.computed as usize)
            .unwrap_or_default()
    }

    /// How many tokens are in KV cells.
    pub(super) fn computed(&self) -> u32 {
        self.computed
    }

    /// Tokens of its prompt that were not dropped.
    pub(super) fn prompt_tokens(&self) -> u32 {
        self.prompt_len
    }

    /// KV cells that it needs for its next token.
    pub(super) fn cells(&self) -> u32 {
        self.len().saturating_add(1)
    }

    /// Tokens that are not in KV cells yet.
    pub(super) fn uncomputed(&self) -> u32 {
        self.len().saturating_sub(self.computed)
    }

    /// Whether it waits for its reader. A prompt makes no text, so it is never paused.
    pub(super) fn is_paused(&self) -> bool {
        self.counts.generated > 0 && self.answer.is_full()
    }

    /// Its needs for the next step.
    pub(super) fn want(&self) -> Want {
        let generates = self.computed >= self.prompt_len;
        let need = if self.is_paused() || self.start == Start::Waits {
            Need::Nothing
        } else if generates && (self.uncomputed() == 1 || self.is_deterministic()) {
            // A deterministic sequence that is computed again repeats its answer token by token, as
            // it was computed first.
            Need::Decode
        } else if self.is_deterministic() {
            Need::Prefill(self.prompt_len.saturating_sub(self.computed))
        } else {
            Need::Prefill(self.uncomputed())
        };
        Want {
            id: self.id,
            need,
            alone: self.is_deterministic() || self.failures > 0,
        }
    }

    /// Whether its steps are independent of all other sequences.
    pub(super) fn is_deterministic(&self) -> bool {
        self.settings.scheduling.deterministic
    }

    /// Notes since when it waits for its reader.
    pub(super) fn note_pause(&mut self, now: Instant) {
        if self.is_paused() {
            self.paused_at.get_or_insert(now);
        } else {
            self.paused_at = None;
        }
    }

    /// Its properties for admission. It is not parked again during the time `ageing` after it was
    /// resumed.
    pub(super) fn holder(&self, now: Instant, ageing: Duration) -> Holder {
        let just_resumed = |at: Instant| now.saturating_duration_since(at) < ageing;
        Holder {
            priority: self.priority,
            asked_at: self.asked_at(),
            paused_at: self.paused_at,
            just_resumed: self.resumed_at.is_some_and(just_resumed),
        }
    }

    /// Resumes it with this id and this number of tokens in its KV cells.
    pub(super) fn resume(&mut self, id: SequenceId, computed: u32, now: Instant) {
        self.id = id;
        self.computed = computed.min(self.len().saturating_sub(1));
        self.pieces = None;
        self.start = if self.computed == 0 {
            Start::Fresh
        } else {
            Start::Begun
        };
        self.resumed_at = Some(now);
        self.paused_at = None;
    }

    /// Records that none of its tokens is in KV cells any more, so that it is computed again.
    pub(super) fn restart(&mut self) {
        self.computed = 0;
        self.in_step = 0;
        self.pieces = None;
        self.start = Start::Begun;
    }

    /// Counts a failed step of it. Returns the number of failed steps in a row.
    pub(super) fn count_failure(&mut self) -> u32 {
        self.failures += 1;
        self.failures
    }

    /// Adds its next `count` tokens to the batch.
    pub(super) fn fill(&mut self, batch: &mut Batch, count: u32) {
        self.output = None;
        self.in_step = count;
        if count == 0 {
            return;
        }
        self.times.begun.get_or_insert_with(Instant::now);
        let end = self.len();
        let tokens = self.tokens.iter().skip(self.computed as usize);
        for (position, &token) in (self.computed..).zip(tokens.take(count as usize)) {
            let is_last = position + 1 == end;
            let index = batch.push(token, position, self.id, is_last);
            if is_last {
                self.output = Some(index);
            }
        }
    }

    /// Whether it has tokens in the batch of this step.
    pub(super) fn is_in_step(&self) -> bool {
        self.in_step > 0
    }

    /// Notes that its step is done. Returns the prompt tokens that were not accounted to its owner
    /// before.
    pub(super) fn step_done(&mut self) -> u32 {
        self.computed = self.len().min(self.computed.saturating_add(self.in_step));
        self.in_step = 0;
        let prompt = self.computed.min(self.prompt_len);
        let served = prompt.saturating_sub(self.served);
        self.served = self.served.max(prompt);
        served
    }

    /// Notes that its step was aborted.
    pub(super) fn step_lost(&mut self) {
        self.in_step = 0;
        self.output = None;
    }

    /// The index in this step's batch whose logits decide its next token, if it gets one.
    pub(super) fn output(&self) -> Option<usize> {
        self.output
    }

    /// Chooses the next token.
    pub(super) fn sample(&mut self, logits: &[f32]) -> Result<TokenId, NoToken> {
        self.choice.sample(logits, self.answer.forced())
    }

    /// Whether choosing means more than finding the highest logit.
    pub(super) fn is_costly(&self) -> bool {
        self.choice.is_costly()
    }

    /// Gives the reader the chosen token and how likely it was, if the request asks for that.
    /// `piece` gives the bytes of a token.
    pub(super) fn pass_on_probs(&mut self, token: TokenId, piece: impl Fn(TokenId) -> Vec<u8>) {
        if let Some(probs) = self.choice.take_probs(token, piece) {
            self.answer.push_token(probs, self.counts.generated);
        }
    }

    /// Notes that a token of its answer was chosen. Returns how long it took: the first one since
    /// the request, the others since the token before.
    pub(super) fn time_token(&mut self, now: Instant) -> TokenTime {
        match self.times.last_token.replace(now) {
            Some(before) => TokenTime::Next(now.saturating_duration_since(before)),
            None => {
                self.times.first_token.get_or_insert(now);
                TokenTime::First(now.saturating_duration_since(self.times.asked))
            }
        }
    }

    /// Adds the chosen token and sends what it says. Returns the reason if the generation ends with
    /// it.
    ///
    /// # Errors
    ///
    /// [`ConstraintError`] when the output form can't be followed any further. The token's text is
    /// passed on all the same.
    pub(super) fn accept(
        &mut self,
        token: TokenId,
        spelling: Spelling<'_>,
        context_tokens: u32,
    ) -> Result<Option<FinishReason>, ConstraintError> {
        self.failures = 0;
        self.output = None;
        self.tokens.push(token);
        self.counts.generated += 1;
        self.choice.accept(token);
        let is_stopped = self.answer.push(spelling, self.counts.generated);
        self.counts.reasoning = self.answer.reasoning_tokens();
        if is_stopped {
            return Ok(Some(FinishReason::StopString));
        }
        if self
            .choice
            .advance_form(token, self.answer.precedes_form())?
        {
            return Ok(Some(FinishReason::EndOfGeneration));
        }
        Ok(
            if self.counts.generated >= self.settings.stopping.max_tokens {
                Some(FinishReason::MaxTokens)
            } else if self.computed >= context_tokens && self.trim_policy.is_none() {
                Some(FinishReason::ContextFull)
            } else {
                None
            },
        )
    }

    /// Notes that the chosen token ends the answer. It is not part of the answer.
    pub(super) fn note_end_token(&mut self) {
        self.times.first_token.get_or_insert_with(Instant::now);
    }

    /// Ends the generation. The reader gets the text that was held back, then the end.
    pub(super) fn finish(mut self, outcome: RequestOutcome<Error>) {
        if let Some(answer) = self.answer.flush(self.counts.generated) {
            log_request!(INFO, CONTENT, self.log, answer, "answer");
        }
        let outcome = outcome.map_reason(|reason| self.answer.reason(reason));
        let usage = self.times.usage(self.counts);
        self.log.end(outcome.as_ref(), &usage);
        self.answer
            .finish(job::answer(outcome, usage, self.settings.seed));
    }
}
