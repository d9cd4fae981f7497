//! Requests for the vectors of texts: checks and queues them, and waits for the answer.

use std::sync::Arc;
use std::time::Instant;

use mynah_core::{Embeddings, Error, Pending, Producer, Prompt, Result, VectorRequest};
use tokio::sync::oneshot;

use super::loaded::{InUse, Known, Loaded};
use crate::decode::{EmbedJob, QueueLimit, Vectors};

/// Maximum number of texts in one request, because all of their vectors are in memory at once.
const MAX_TEXTS: usize = 256;

/// A pending request for vectors. Dropping it cancels it.
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
    /// Why the request failed, or could not start.
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
        // No tokens are generated after the texts.
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
