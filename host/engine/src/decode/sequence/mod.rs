//! One generation that has begun, as the worker sees it.

mod characters;
mod reuse;
mod stop;
mod trim_policy;
mod usage;

pub(super) use reuse::Start;
pub(crate) use trim_policy::{TrimPolicy, Turns};

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::llama::TokenId;
use mynah_grammar::{Constraint, ConstraintError};

use characters::Characters;
use stop::StopMatcher;
use usage::{Times, Tokens};

use mynah_core::StreamWriter;

use super::cache::SequenceId;
use super::job::answer;
use super::sampler::{LogProbs, NoFiniteLogit, log_probs};
use super::{Job, Sampler};
use crate::RequestLog;
use crate::llama::Batch;
use crate::log::{CONTENT, log_request, shows_content};
use crate::memory::Alignment;
use crate::schedule::{Holder, Need, Want};
use crate::{
    Effective, Error, FinishReason, Owner, Priority, RequestOutcome, TokenProb, TokenProbs,
};

/// One generation that has begun: where it is in its prompt or answer, and its reader. It keeps all
/// its tokens, so that it can be computed again.
#[derive(Debug)]
pub(super) struct Sequence {
    /// Its number in the context. Means nothing while it is parked.
    pub(super) id: SequenceId,
    pub(super) log: Arc<RequestLog>,
    pub(super) owner: Owner,
    pub(super) priority: Priority,
    pub(super) session: u64,
    pub(super) settings: Arc<Effective>,
    // The prompt, then what was generated, without what has made room. Tokens before `computed` are
    // in the KV cells.
    tokens: Vec<TokenId>,
    prompt_len: u32,
    computed: u32,
    // What it counts, the tokens that have made room among them.
    counts: Tokens,
    // How far it is with what was computed before it came.
    start: Start,
    // Whether that was looked for.
    was_looked_for: bool,
    // What its cells hold beyond `computed`, and what to take out of them so that more of it
    // serves.
    pieces: Option<Alignment>,
    trim_policy: Option<TrimPolicy>,
    // Prompt tokens that its owner has been served.
    served: u32,
    // Tokens that it has in the batch of this step.
    in_step: u32,
    // Index in the batch of this step whose logits decide the next token.
    output: Option<usize>,
    sampler: Sampler,
    constraint: Option<Constraint>,
    characters: Characters,
    stop: StopMatcher,
    writer: StreamWriter,
    // Its text, where it is to be logged.
    answer: Option<String>,
    // Those of the token that was just chosen.
    log_probs: Option<LogProbs>,
    // Steps that failed in a row with it in them. From the first on it is computed alone until it
    // gets on, so that it fails nobody else.
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

/// Why there is no next token.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoToken {
    #[error(transparent)]
    Logits(#[from] NoFiniteLogit),
    #[error(transparent)]
    Form(#[from] ConstraintError),
}

impl Sequence {
    pub(super) fn new(id: SequenceId, job: Job) -> Self {
        let prompt_len = job.prompt_tokens();
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
            was_looked_for: false,
            pieces: None,
            trim_policy: job.trim_policy,
            served: 0,
            in_step: 0,
            output: None,
            sampler: job.sampler,
            constraint: job.constraint,
            characters: Characters::default(),
            stop: StopMatcher::new(job.settings.stopping.stop.clone()),
            writer: job.stream,
            answer: shows_content().then(String::new),
            log_probs: None,
            failures: 0,
            // A limit is a day at most, so this is never out of range.
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
        self.writer.is_cancelled()
    }

    /// When its request was asked.
    pub(super) fn asked_at(&self) -> Instant {
        self.times.asked
    }

    /// When its time is over.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Why it ends now, though the model would go on: it was cancelled, or its time is over.
    pub(super) fn must_end(&self, now: Instant) -> Option<RequestOutcome<Error>> {
        if self.is_cancelled() {
            Some(RequestOutcome::Cancelled)
        } else if self.deadline.is_some_and(|deadline| deadline <= now) {
            Some(RequestOutcome::finished(FinishReason::MaxTime))
        } else {
            None
        }
    }

    /// Its tokens.
    pub(super) fn len(&self) -> u32 {
        // Fits: bounded by the context.
        u32::try_from(self.tokens.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn tokens(&self) -> &[TokenId] {
        &self.tokens
    }

    /// Those that are in KV cells.
    pub(super) fn computed_tokens(&self) -> &[TokenId] {
        self.tokens
            .get(..self.computed as usize)
            .unwrap_or_default()
    }

    /// Tokens that it has in KV cells.
    pub(super) fn computed(&self) -> u32 {
        self.computed
    }

    /// Tokens of its prompt that have not made room.
    pub(super) fn prompt_tokens(&self) -> u32 {
        self.prompt_len
    }

    /// KV cells that it needs to go on.
    pub(super) fn cells(&self) -> u32 {
        self.len().saturating_add(1)
    }

    /// Tokens that it has, and that are not in KV cells.
    pub(super) fn uncomputed(&self) -> u32 {
        self.len().saturating_sub(self.computed)
    }

    /// Whether it waits for its reader. In its prompt it makes no text, so nothing pauses it.
    pub(super) fn is_paused(&self) -> bool {
        self.counts.generated > 0 && self.writer.is_full()
    }

    /// What it wants of the next step.
    pub(super) fn want(&self) -> Want {
        let generates = self.computed >= self.prompt_len;
        let need = if self.is_paused() || self.start == Start::Waits {
            Need::Nothing
        } else if generates && (self.uncomputed() == 1 || self.is_deterministic()) {
            // A deterministic one that computes its answer again does it as it did the first time:
            // token by token.
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

    /// Whether it is computed as if nobody else were there.
    pub(super) fn is_deterministic(&self) -> bool {
        self.settings.scheduling.deterministic
    }

    /// Notes since when it waits for its reader, if it does.
    pub(super) fn note_pause(&mut self, now: Instant) {
        if self.is_paused() {
            self.paused_at.get_or_insert(now);
        } else {
            self.paused_at = None;
        }
    }

    /// What the rules about places know of it. `ageing` is how long it keeps its place for sure
    /// after it was resumed.
    pub(super) fn holder(&self, now: Instant, ageing: Duration) -> Holder {
        let just_resumed = |at: Instant| now.saturating_duration_since(at) < ageing;
        Holder {
            priority: self.priority,
            asked_at: self.asked_at(),
            paused_at: self.paused_at,
            just_resumed: self.resumed_at.is_some_and(just_resumed),
        }
    }

    /// It has a place again, with so many tokens in its KV cells.
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

    /// Nothing of it is in KV cells any more: it will be computed again.
    pub(super) fn restart(&mut self) {
        self.computed = 0;
        self.in_step = 0;
        self.pieces = None;
        self.start = Start::Begun;
    }

    /// A step failed with it; says how many did in a row.
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

    /// The step that it was in is done. Returns prompt tokens that its owner is served for the
    /// first time.
    pub(super) fn step_done(&mut self) -> u32 {
        self.computed = self.len().min(self.computed.saturating_add(self.in_step));
        self.in_step = 0;
        let prompt = self.computed.min(self.prompt_len);
        let served = prompt.saturating_sub(self.served);
        self.served = self.served.max(prompt);
        served
    }

    /// The step that it was in gave nothing.
    pub(super) fn step_lost(&mut self) {
        self.in_step = 0;
        self.output = None;
    }

    /// The index in this step's batch whose logits it needs, if it is to get a token.
    pub(super) fn output(&self) -> Option<usize> {
        self.output
    }

    /// Chooses the next token.
    pub(super) fn sample(&mut self, logits: &[f32]) -> Result<TokenId, NoToken> {
        let token = self.draw(logits)?;
        let count = self.settings.sampling.n_probs as usize;
        if count > 0 {
            self.log_probs = Some(log_probs(logits, token, count));
        }
        Ok(token)
    }

    fn draw(&mut self, logits: &[f32]) -> Result<TokenId, NoToken> {
        let token = self.sampler.sample(logits)?;
        let Some(constraint) = &mut self.constraint else {
            return Ok(token);
        };
        if constraint.allows(token)? {
            return Ok(token);
        }
        let allowed = constraint.allowed()?;
        let among = |token: TokenId| allowed.has(token);
        match self.sampler.sample_among(logits, Some(&among)) {
            Ok(token) => Ok(token),
            // Something else, such as a bias, takes all of them.
            Err(NoFiniteLogit) => Err(ConstraintError::DeadEnd.into()),
        }
    }

    /// Tells the chosen token and how likely it was, if that was asked for. `piece` gives the bytes
    /// of a token.
    pub(super) fn tell(&mut self, token: TokenId, piece: impl Fn(TokenId) -> Vec<u8>) {
        let Some(LogProbs { chosen, top }) = self.log_probs.take() else {
            return;
        };
        let told = |token: TokenId, log_prob: f32| TokenProb {
            // Ids are never negative.
            id: u32::try_from(token.0).unwrap_or_default(),
            bytes: piece(token),
            log_prob,
        };
        let token = TokenProbs {
            chosen: told(token, chosen),
            top: top
                .into_iter()
                .map(|(token, log_prob)| told(token, log_prob))
                .collect(),
        };
        self.writer.push_token(token, self.counts.generated);
    }

    /// Whether choosing means more than finding the highest logit.
    pub(super) fn is_costly(&self) -> bool {
        self.sampler.is_costly() || self.constraint.is_some()
    }

    /// A token of its answer was chosen: how long it took, since the request for the first one,
    /// since the one before for the others.
    pub(super) fn time_token(&mut self, now: Instant) -> TokenTime {
        match self.times.last_token.replace(now) {
            Some(before) => TokenTime::Next(now.saturating_duration_since(before)),
            None => {
                self.times.first_token.get_or_insert(now);
                TokenTime::First(now.saturating_duration_since(self.times.asked))
            }
        }
    }

    /// Takes the chosen token and passes its text on. Says why the generation ends with it, if it
    /// does.
    ///
    /// # Errors
    ///
    /// [`ConstraintError`] when the output form can't be followed any further. The token's text is
    /// passed on all the same.
    pub(super) fn accept(
        &mut self,
        token: TokenId,
        piece: &[u8],
        context_tokens: u32,
    ) -> Result<Option<FinishReason>, ConstraintError> {
        self.failures = 0;
        self.output = None;
        self.tokens.push(token);
        self.counts.generated += 1;
        self.sampler.accept(token);
        let mut text = String::new();
        self.characters.push(piece, &mut text);
        let mut ready = String::new();
        let is_stopped = self.stop.push(&text, &mut ready);
        self.pass_on(&ready);
        if is_stopped {
            // What came after it in the same token is not part of the answer either.
            self.characters = Characters::default();
            return Ok(Some(FinishReason::StopString));
        }
        if let Some(constraint) = &mut self.constraint {
            constraint.accept(token)?;
            if constraint.is_complete() {
                return Ok(Some(FinishReason::EndOfGeneration));
            }
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

    /// The chosen token ends the answer and is not part of it.
    pub(super) fn note_end_token(&mut self) {
        self.times.first_token.get_or_insert_with(Instant::now);
    }

    /// Ends the generation. The reader gets the text that was held back, then the end.
    pub(super) fn finish(mut self, outcome: RequestOutcome<Error>) {
        self.release();
        let usage = self.times.usage(self.counts);
        self.log.end(outcome.as_ref(), &usage);
        let answer = answer(outcome, usage, self.settings.seed);
        self.writer.finish(answer);
    }

    /// Passes on what was held back: nothing comes after it.
    fn release(&mut self) {
        let mut rest = String::new();
        self.stop.finish(&mut rest);
        self.characters.finish(&mut rest);
        self.pass_on(&rest);
        if let Some(answer) = &self.answer {
            log_request!(INFO, CONTENT, self.log, answer, "answer");
        }
    }

    /// Gives its reader text.
    fn pass_on(&mut self, text: &str) {
        self.writer.push(text, self.counts.generated);
        if let Some(answer) = &mut self.answer {
            answer.push_str(text);
        }
    }
}
