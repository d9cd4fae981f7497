//! One running generation, as the worker sees it.

use std::time::{Duration, Instant};

use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::vocab::LlamaVocab;

use super::sampler::NoFiniteLogit;
use super::text::Characters;
use super::{Job, Sampler, Writer};
use crate::llama::Batch;
use crate::schedule::Need;
use crate::{Error, FinishReason, Outcome, Usage};

/// One running generation: its place in the KV cells, where it is in its prompt or answer, and its reader.
#[derive(Debug)]
pub(super) struct Sequence {
    /// Its number in the context.
    pub(super) id: u32,
    // The prompt, then the token that was sampled last. Tokens before `computed` are in the KV cells.
    prompt: Vec<LlamaToken>,
    last: Option<LlamaToken>,
    computed: u32,
    // Tokens that it has in the batch of this step.
    in_step: u32,
    // Index in the batch of this step whose logits decide the next token.
    output: Option<usize>,
    sampler: Sampler,
    characters: Characters,
    writer: Writer,
    max_tokens: u32,
    generated: u32,
    times: Times,
}

#[derive(Debug)]
struct Times {
    asked: Instant,
    begun: Option<Instant>,
    first_token: Option<Instant>,
}

/// What a step did to a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Runs,
    Ended,
}

/// What one step shares among its sequences.
pub(super) struct Step<'a> {
    pub(super) vocabulary: &'a LlamaVocab<'a>,
    pub(super) context_tokens: u32,
    pub(super) candidates: &'a mut Vec<LlamaTokenData>,
    pub(super) piece: &'a mut Vec<u8>,
    pub(super) text: &'a mut String,
}

impl Sequence {
    pub(super) fn new(id: u32, job: Job) -> Self {
        Self {
            id,
            prompt: job.prompt,
            last: None,
            computed: 0,
            in_step: 0,
            output: None,
            sampler: job.sampler,
            characters: Characters::default(),
            writer: job.outlet,
            max_tokens: job.max_tokens,
            generated: 0,
            times: Times {
                asked: job.asked_at,
                begun: None,
                first_token: None,
            },
        }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.writer.is_cancelled()
    }

    /// What it needs next. Unread text pauses it, except in its prompt, which makes none.
    pub(super) fn need(&self) -> Need {
        match self.last {
            None => Need::Prefill(self.prompt_left()),
            Some(_) if self.writer.is_full() => Need::Nothing,
            Some(_) => Need::Decode,
        }
    }

    fn prompt_len(&self) -> u32 {
        // Fits: a prompt is shorter than the context, which is counted in u32.
        u32::try_from(self.prompt.len()).unwrap_or(u32::MAX)
    }

    fn prompt_left(&self) -> u32 {
        self.prompt_len().saturating_sub(self.computed)
    }

    /// Adds its next `count` tokens to the batch.
    pub(super) fn fill(&mut self, batch: &mut Batch, count: u32) {
        self.output = None;
        self.in_step = count;
        if count == 0 {
            return;
        }
        self.times.begun.get_or_insert_with(Instant::now);
        if let Some(last) = self.last {
            self.output = Some(batch.push(last, self.computed, self.id, true));
            self.computed += 1;
            return;
        }
        let end = self.prompt_len();
        let tokens = self.prompt.iter().skip(self.computed as usize);
        for (position, &token) in (self.computed..).zip(tokens.take(count as usize)) {
            let is_last = position + 1 == end;
            let index = batch.push(token, position, self.id, is_last);
            if is_last {
                self.output = Some(index);
            }
        }
        self.computed = end.min(self.computed.saturating_add(count));
    }

    /// Whether it has tokens in the batch of this step.
    pub(super) fn is_in_step(&self) -> bool {
        self.in_step > 0
    }

    /// The index in this step's batch whose logits it needs, if it is to get a token.
    pub(super) fn output(&self) -> Option<usize> {
        self.output
    }

    /// Samples the next token from `logits`, passes its text on, and says whether the generation goes on.
    pub(super) fn advance(
        &mut self,
        logits: &[f32],
        step: &mut Step<'_>,
    ) -> Result<Progress, NoFiniteLogit> {
        let token = self.sampler.sample(logits, step.candidates)?;
        self.times.first_token.get_or_insert_with(Instant::now);
        if step.vocabulary.is_eog(token) {
            self.end(FinishReason::EndOfGeneration);
            return Ok(Progress::Ended);
        }
        self.generated += 1;
        self.last = Some(token);
        step.piece.clear();
        // Control tokens have no text: they are the model's, not the reader's.
        step.vocabulary
            .token_to_piece_into(token, step.piece, false, None);
        step.text.clear();
        self.characters.push(step.piece, step.text);
        self.writer.push(step.text);
        let reason = if self.generated >= self.max_tokens {
            FinishReason::MaxTokens
        } else if self.computed >= step.context_tokens {
            FinishReason::ContextFull
        } else {
            return Ok(Progress::Runs);
        };
        self.end(reason);
        Ok(Progress::Ended)
    }

    /// Ends the generation: what is held back goes out, then the outcome.
    pub(super) fn end(&mut self, reason: FinishReason) {
        let mut rest = String::new();
        self.characters.finish(&mut rest);
        self.writer.push(&rest);
        let outcome = self
            .times
            .outcome(reason, self.prompt_len(), self.generated);
        tracing::debug!(reason = reason.name(), usage = ?outcome.usage, "generation ended");
        self.writer.finish(Ok(outcome));
    }

    /// Ends the generation with an error, after the text so far.
    pub(super) fn fail(&mut self, error: Error) {
        tracing::warn!(%error, "generation failed");
        self.writer.finish(Err(error));
    }
}

/// Ends a request that was cancelled before it ran.
pub(super) fn finish_unstarted(job: Job) {
    let times = Times {
        asked: job.asked_at,
        begun: None,
        first_token: None,
    };
    let prompt = u32::try_from(job.prompt.len()).unwrap_or(u32::MAX);
    job.outlet
        .finish(Ok(times.outcome(FinishReason::Cancelled, prompt, 0)));
}

impl Times {
    fn outcome(&self, reason: FinishReason, prompt_tokens: u32, generated_tokens: u32) -> Outcome {
        let now = Instant::now();
        let since = |from: Option<Instant>, to: Option<Instant>| match from {
            Some(from) => to.unwrap_or(now).duration_since(from),
            None => Duration::ZERO,
        };
        Outcome {
            reason,
            usage: Usage {
                prompt_tokens,
                cached_tokens: 0,
                generated_tokens,
                queue_time: since(Some(self.asked), self.begun),
                prefill_time: since(self.begun, self.first_token),
                decode_time: since(self.first_token, None),
            },
        }
    }
}
