//! Requests for vectors, and their answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mynah_core::{Error, Owner, RequestLog, RequestOutcome, Result, TokenId};
use mynah_schedule::Ticket;
use mynah_settings::Priority;
use tokio::sync::oneshot;

use super::pool::Pooling;
use crate::decode::job::{QueueLimit, Waits, unstarted};

/// The answer to a request for vectors: one for each text, in their order.
pub(crate) type Vectors = Vec<Vec<f32>>;

/// A request for vectors that is checked and ready to run.
#[derive(Debug)]
pub(crate) struct EmbedJob {
    /// Each has at least one token and no more than the context holds, all of them in the
    /// vocabulary.
    pub(crate) texts: Vec<Vec<TokenId>>,
    pub(crate) pooling: Pooling,
    pub(crate) priority: Priority,
    /// Its texts are computed in steps of their own.
    pub(crate) deterministic: bool,
    pub(crate) log: Arc<RequestLog>,
    pub(crate) owner: Owner,
    pub(crate) session: u64,
    pub(crate) asked_at: Instant,
    pub(crate) queue_limit: QueueLimit,
    /// The time that it may take in all.
    pub(crate) max_time: Option<Duration>,
    /// Closed when its reader is gone.
    pub(crate) answer: oneshot::Sender<Result<Vectors>>,
}

impl EmbedJob {
    /// Tokens of all texts.
    pub(crate) fn tokens(&self) -> u32 {
        let tokens: usize = self.texts.iter().map(Vec::len).sum();
        // Fits: bounded by `max_prompt_bytes`, which is counted in u32.
        u32::try_from(tokens).unwrap_or(u32::MAX)
    }
}

impl Waits for EmbedJob {
    fn ticket(&self) -> Ticket {
        Ticket {
            owner: self.owner.clone(),
            priority: self.priority,
            asked_at: self.asked_at,
            deadline: self.queue_limit.deadline(self.asked_at),
            prompt_tokens: self.tokens(),
        }
    }

    fn session(&self) -> u64 {
        self.session
    }

    fn is_cancelled(&self) -> bool {
        self.answer.is_closed()
    }

    fn queue_limit(&self) -> QueueLimit {
        self.queue_limit
    }

    fn log(&self) -> &RequestLog {
        &self.log
    }

    fn end(self, outcome: RequestOutcome<Error>, now: Instant) {
        let usage = unstarted(self.tokens(), self.asked_at, now);
        self.log.end(outcome.as_ref(), &usage);
        // This fails if the reader is gone.
        let _ = self
            .answer
            .send(outcome.into_result().map(|_| Vectors::new()));
    }
}
