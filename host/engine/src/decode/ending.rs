//! How a generation ends: what is counted, and what its reader is told.

use std::time::{Duration, Instant};

use super::Job;
use super::job::Ending;
use crate::log::End;
use crate::{FinishReason, Outcome, Usage};

/// When a generation reached what.
#[derive(Debug)]
pub(super) struct Times {
    pub(super) asked: Instant,
    pub(super) begun: Option<Instant>,
    pub(super) first_token: Option<Instant>,
    pub(super) last_token: Option<Instant>,
}

/// Tokens that a generation counts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tokens {
    pub(super) prompt: u32,
    pub(super) cached: u32,
    pub(super) generated: u32,
    pub(super) forgotten: u32,
}

/// How a reason counts.
pub(super) fn ending(reason: FinishReason) -> Ending {
    match reason {
        FinishReason::Cancelled => Ending::Cancelled,
        FinishReason::EndOfGeneration
        | FinishReason::MaxTokens
        | FinishReason::StopString
        | FinishReason::MaxTime
        | FinishReason::ContextFull
        | FinishReason::DeadEnd => Ending::Completed,
    }
}

/// Ends a request that was cancelled before it ran.
pub(super) fn finish_unstarted(job: Job) {
    let times = Times {
        asked: job.asked_at,
        begun: None,
        first_token: None,
        last_token: None,
    };
    let tokens = Tokens {
        prompt: job.prompt_tokens(),
        ..Tokens::default()
    };
    let seed = job.settings.seed;
    let outcome = times.outcome(FinishReason::Cancelled, tokens, seed);
    job.log.end(End::Finished(outcome.reason), &outcome.usage);
    job.outlet.finish(Ok(outcome));
}

impl Times {
    pub(super) fn outcome(&self, reason: FinishReason, tokens: Tokens, seed: u32) -> Outcome {
        Outcome {
            reason,
            seed,
            usage: self.usage(tokens),
        }
    }

    /// What is used by now.
    pub(super) fn usage(&self, tokens: Tokens) -> Usage {
        let now = Instant::now();
        let since = |from: Option<Instant>, to: Option<Instant>| match from {
            Some(from) => to.unwrap_or(now).duration_since(from),
            None => Duration::ZERO,
        };
        Usage {
            prompt_tokens: tokens.prompt,
            cached_tokens: tokens.cached,
            generated_tokens: tokens.generated,
            forgotten_tokens: tokens.forgotten,
            queue_time: since(Some(self.asked), self.begun),
            prefill_time: since(self.begun, self.first_token),
            decode_time: since(self.first_token, None),
        }
    }
}
