//! Requests for the vectors of texts: checks, prepares and queues them, and waits for the answer.

use std::sync::Arc;
use std::time::Instant;

use mynah_core::{Embeddings, Error, Pending, Producer, Prompt, Result, VectorRequest};
use tokio::sync::oneshot;

use super::loaded::{InUse, Known};
use super::prompt::Purpose;
use super::text::size_of_bytes;
use crate::decode::{EmbedJob, QueueLimit, Vectors};
use crate::prepare::Request;

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

impl InUse {
    /// Checks, prepares and queues a request of session `session` for vectors.
    pub(super) async fn embed(
        &self,
        request: VectorRequest<'_>,
        session: u64,
    ) -> Result<Pending<'static, Embeddings>> {
        let asked_at = Instant::now();
        let Known {
            config,
            pooling,
            about,
        } = &*self.known;
        let texts = request.texts;
        let effective = request.resolve(about)?;
        let pooling = pooling.clone().map_err(|reason| Error::NoVectors {
            model: about.info.name.clone(),
            reason,
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
        let bytes = texts.iter().map(Prompt::bytes).sum();
        self.check_bytes(bytes)?;
        let queue_limit = QueueLimit::new(config.default_task_timeout, &effective);
        let preparing = self.queue.prepare(request.owner, Some(session))?;
        let prepare = Request {
            owner: request.owner.clone(),
            priority: effective.scheduling.priority,
            asked_at,
            limit: queue_limit,
            bytes,
            size: size_of_bytes(bytes),
        };
        let (loaded, texts) = (self.clone(), texts.to_vec());
        let tokens = self.pool.prepare(&prepare, move || {
            // No tokens are generated after the texts.
            let tokens = texts.iter().enumerate().map(|(index, text)| {
                let tokens = loaded.tokens(text, 0, None, Purpose::Vector);
                tokens.map_err(|error| match texts.len() {
                    1 => error,
                    texts => Error::InText {
                        index,
                        texts,
                        error: Box::new(error),
                    },
                })
            });
            tokens.collect::<Result<Vec<_>>>()
        })?;
        let tokens = preparing.finish(tokens).await?;
        let (answer, is_answered) = oneshot::channel();
        let job = EmbedJob {
            texts: tokens,
            pooling,
            priority: effective.scheduling.priority,
            deterministic: effective.scheduling.deterministic,
            log: Arc::clone(request.log),
            owner: request.owner.clone(),
            session,
            asked_at,
            queue_limit,
            max_time: effective.stopping.max_time,
            answer,
        };
        let prompt_tokens = job.tokens();
        self.queue.submit_embedding(job)?;
        let embedding = Embedding {
            answer: is_answered,
            prompt_tokens,
            loaded: self.clone(),
        };
        let pending: Pending<'static, Embeddings> = Box::pin(embedding.finish());
        Ok(pending)
    }
}
