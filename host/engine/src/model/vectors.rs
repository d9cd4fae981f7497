//! Vectors of texts: checking and queueing a request for them, and waiting for its answer.

use std::sync::Arc;
use std::time::Instant;

use mynah_core::{Embeddings, Pending, Producer, VectorRequest};
use tokio::sync::oneshot;

use super::loaded::{InUse, Known, Loaded};
use crate::decode::{EmbedJob, QueueLimit, Vectors};
use crate::{Error, Prompt, Result};

/// Texts of one request at most: their vectors are in memory at once.
const MAX_TEXTS: usize = 256;

/// A request for vectors that is on its way. Dropping it cancels it.
#[derive(Debug)]
struct Embedding {
    answer: oneshot::Receiver<Result<Vectors>>,
    prompt_tokens: u32,
    loaded: InUse,
}

impl Embedding {
    /// Waits for the answer.
    ///
    /// # Errors
    ///
    /// What broke the request, or kept it from beginning.
    async fn finish(mut self) -> Result<Embeddings> {
        let vectors = (&mut self.answer)
            .await
            .unwrap_or(Err(Error::Unavailable))?;
        Ok(Embeddings {
            vectors,
            prompt_tokens: self.prompt_tokens,
        })
    }
}

impl Drop for Embedding {
    fn drop(&mut self) {
        self.answer.close();
        self.loaded.wake();
    }
}

impl Loaded {
    /// Checks, tokenises and queues a request of session `session` for vectors.
    pub(super) fn embed(
        self: &Arc<Self>,
        request: &VectorRequest<'_>,
        session: u64,
    ) -> Result<Pending<Embeddings>> {
        let Known {
            config,
            pooling,
            about,
        } = &*self.known;
        let texts = request.texts;
        let effective = request.resolve(about)?;
        let pooling = pooling.map_err(|pooling| Error::NoVectors {
            model: about.info.name.clone(),
            pooling,
        })?;
        if texts.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        if texts.len() > MAX_TEXTS {
            return Err(Error::TooManyTexts {
                texts: texts.len(),
                limit: MAX_TEXTS,
            });
        }
        let asked_at = Instant::now();
        let bytes = texts.iter().map(Prompt::bytes).sum();
        self.check_bytes(bytes)?;
        // Nothing is generated behind them.
        let texts: Result<Vec<_>> = texts.iter().map(|text| self.tokens(text, 0)).collect();
        let (answer, is_answered) = oneshot::channel();
        let job = EmbedJob {
            texts: texts?,
            pooling,
            priority: effective.scheduling.priority,
            deterministic: effective.scheduling.deterministic,
            log: Arc::clone(request.log),
            owner: request.owner.clone(),
            session,
            asked_at,
            queue_limit: QueueLimit::new(config.default_task_timeout, &effective),
            max_time: effective.stopping.max_time,
            answer,
        };
        let prompt_tokens = job.tokens();
        self.queue.submit_embedding(job)?;
        let embedding = Embedding {
            answer: is_answered,
            prompt_tokens,
            loaded: InUse::new(self),
        };
        Ok(Box::pin(embedding.finish()))
    }
}
