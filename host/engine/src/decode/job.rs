//! A request that is ready to run: its task, its deadline, and how it ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mynah_core::{
    Error, FinishReason, Outcome, Owner, RequestLog, RequestOutcome, StreamWriter, TokenId, Usage,
};
use mynah_grammar::Constraint;
use mynah_schedule::Ticket;
use mynah_settings::Effective;

use super::{AnswerReader, BeforeForm, Sampler, TrimPolicy};

/// A request that is checked and ready to run.
#[derive(Debug)]
pub(crate) struct Job {
    /// At least one token and fewer than the context holds, all of them in the vocabulary.
    pub(crate) prompt: Vec<TokenId>,
    pub(crate) sampler: Sampler,
    /// The form that the answer must have, if any, and what comes before it.
    pub(crate) constraint: Option<Constraint>,
    pub(crate) before_form: BeforeForm,
    /// Splits the answer into reasoning, calls and text. `None`: all of it is text.
    pub(crate) reader: Option<AnswerReader>,
    pub(crate) settings: Arc<Effective>,
    pub(crate) stream: StreamWriter,
    pub(crate) log: Arc<RequestLog>,
    pub(crate) owner: Owner,
    /// The session that asks.
    pub(crate) session: u64,
    /// Which tokens are dropped when the context is full, if any may be.
    pub(crate) trim_policy: Option<TrimPolicy>,
    /// Tokens that were left out of the prompt because the context holds no more.
    pub(crate) forgotten: u32,
    pub(crate) asked_at: Instant,
    pub(crate) queue_limit: QueueLimit,
}

/// The time that a request may wait, and the setting with that limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueLimit {
    pub(super) time: Duration,
    pub(super) setting: &'static str,
}

impl QueueLimit {
    /// The shorter one of the queue timeout (`default` if the request sets none) and the time for
    /// the whole request.
    pub(crate) fn new(default: Duration, effective: &Effective) -> Self {
        let (in_queue, setting) = match effective.scheduling.queue_timeout {
            Some(asked) => (asked, "queue_timeout_ms"),
            None => (default, "default_task_timeout_ms"),
        };
        let (time, setting) = match effective.stopping.max_time {
            Some(in_all) if in_all < in_queue => (in_all, "max_time_ms"),
            _ => (in_queue, setting),
        };
        Self { time, setting }
    }

    /// The error of a request that was made at `asked_at` and whose time is over.
    pub(crate) fn late(self, asked_at: Instant, now: Instant) -> Error {
        Error::QueueTimeout {
            waited: now.saturating_duration_since(asked_at),
            limit: self.time,
            setting: self.setting,
        }
    }

    /// Until when a request may wait that was made at this time.
    pub(crate) fn deadline(self, asked_at: Instant) -> Instant {
        // A limit is at most a day, so this is never out of range.
        asked_at + self.time
    }
}

/// A request that waits in a queue.
pub(super) trait Waits {
    /// The values by which the queue orders it.
    fn ticket(&self) -> Ticket;

    /// The session that asks.
    fn session(&self) -> u64;

    /// Its log.
    fn log(&self) -> &RequestLog;

    /// Whether its reader has cancelled it or gone away.
    fn is_cancelled(&self) -> bool;

    /// How long it may wait.
    fn queue_limit(&self) -> QueueLimit;

    /// Ends it before it has begun. The log, the observer and its reader get the outcome.
    fn end(self, outcome: RequestOutcome<Error>, now: Instant);
}

impl Job {
    pub(super) fn prompt_tokens(&self) -> u32 {
        // Fits: a prompt is shorter than the context, which is counted in u32.
        u32::try_from(self.prompt.len()).unwrap_or(u32::MAX)
    }
}

impl Waits for Job {
    fn ticket(&self) -> Ticket {
        Ticket {
            owner: self.owner.clone(),
            priority: self.settings.scheduling.priority,
            asked_at: self.asked_at,
            deadline: self.queue_limit.deadline(self.asked_at),
            prompt_tokens: self.prompt_tokens(),
        }
    }

    fn session(&self) -> u64 {
        self.session
    }

    fn is_cancelled(&self) -> bool {
        self.stream.is_cancelled()
    }

    fn queue_limit(&self) -> QueueLimit {
        self.queue_limit
    }

    fn log(&self) -> &RequestLog {
        &self.log
    }

    fn end(self, outcome: RequestOutcome<Error>, now: Instant) {
        let usage = unstarted(self.prompt_tokens(), self.asked_at, now);
        self.log.end(outcome.as_ref(), &usage);
        self.stream
            .finish(answer(outcome, usage, self.settings.seed));
    }
}

/// The reader's result at the end of a generation.
pub(super) fn answer(
    outcome: RequestOutcome<Error>,
    usage: Usage,
    seed: u32,
) -> Result<Outcome, Error> {
    outcome.into_result().map(|reason| Outcome {
        // Only vectors have no reason.
        reason: reason.unwrap_or(FinishReason::EndOfGeneration),
        seed,
        usage,
    })
}

/// The usage of a request that never started.
pub(super) fn unstarted(prompt_tokens: u32, asked_at: Instant, now: Instant) -> Usage {
    Usage {
        prompt_tokens,
        queue_time: now.saturating_duration_since(asked_at),
        ..Usage::default()
    }
}
