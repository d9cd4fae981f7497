//! Vectors of texts: checking and queueing a request for them, and waiting for its answer.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::loaded::{About, Asker, Loaded};
use crate::decode::{EmbedJob, QueueLimit, Vectors};
use crate::request_log::RequestLog;
use crate::{Error, Prompt, Result, Settings};

/// Texts of one request at most: their vectors are in memory at once.
const MAX_TEXTS: usize = 256;

/// Vectors of texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// One for each text, in their order; all of the same dimension, and of length 1.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens of all texts.
    pub prompt_tokens: u32,
}

/// A request for vectors that is on its way. Dropping it cancels it.
#[derive(Debug)]
pub(crate) struct Embedding {
    answer: oneshot::Receiver<Result<Vectors>>,
    prompt_tokens: u32,
    // `None` only while it is dropped.
    loaded: Option<Arc<Loaded>>,
}

impl Embedding {
    /// Waits for the answer.
    ///
    /// # Errors
    ///
    /// What broke the request, or kept it from beginning.
    pub(crate) async fn finish(mut self) -> Result<Embeddings> {
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
        if let Some(loaded) = self.loaded.take() {
            loaded.queue.wake();
            Loaded::let_go(loaded);
        }
    }
}

impl Loaded {
    /// Checks, tokenises and queues a request for vectors.
    pub(crate) fn embed(
        self: &Arc<Self>,
        texts: &[Prompt],
        settings: Settings,
        asker: &Asker<'_>,
        log: &Arc<RequestLog>,
    ) -> Result<Embedding> {
        let About {
            config, pooling, ..
        } = &*self.about;
        settings.check()?;
        let effective = self.effective(settings, asker.settings);
        let pooling = pooling.map_err(|pooling| Error::NoVectors {
            model: self.about.info.name.clone(),
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
            log: Arc::clone(log),
            owner: asker.owner.clone(),
            session: asker.session,
            asked_at,
            queue_limit: QueueLimit::new(config.default_task_timeout, &effective),
            max_time: effective.stopping.max_time,
            answer,
        };
        let prompt_tokens = job.tokens();
        self.queue.submit_embedding(job)?;
        Ok(Embedding {
            answer: is_answered,
            prompt_tokens,
            loaded: Some(Arc::clone(self)),
        })
    }
}
