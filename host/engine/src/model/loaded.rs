//! A model in memory: its worker, and the data for checking requests.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use mynah_chat::ChatTemplate;
use mynah_core::{About, Error, Feature, Producer, Result, Started, TextRequest, TokenId};
use mynah_grammar::Grammars;
use mynah_llama::LlamaModel;
use mynah_settings::{KvCells, ModelConfig};

use super::fit::Past;
use crate::decode::{Job, Pooling, QueueLimit, RequestQueue, Sampler, SamplerParts, Worker};

/// A model in memory. When the slot and the last generation have dropped it, its worker ends and
/// its memory is freed.
#[derive(Debug)]
pub(crate) struct Loaded {
    // The first field, so that the worker has ended before the rest is dropped.
    pub(super) _worker: Worker,
    pub(crate) queue: Arc<RequestQueue>,
    pub(super) llama: Arc<LlamaModel>,
    pub(super) grammars: Grammars,
    pub(super) template: ChatTemplate,
    pub(super) ends: OnceLock<Vec<TokenId>>,
    pub(super) cells: KvCells,
    pub(crate) known: Arc<Known>,
    pub(super) since: Instant,
}

/// The data about a model that remains when it is unloaded.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) about: Arc<About>,
    /// How the vectors of tokens are pooled into one. If the pooling type is not supported, its
    /// number in the file.
    pub(crate) pooling: std::result::Result<Pooling, u32>,
    pub(crate) config: Arc<ModelConfig>,
}

impl Loaded {
    /// Drops a reference to the model. Dropping the last one waits until the worker has ended.
    /// Therefore it happens on its own thread: the reader of a generation must not block.
    pub(crate) fn let_go(self: Arc<Self>) {
        if let Some(last) = Arc::into_inner(self) {
            let spawned = std::thread::Builder::new()
                .name("mynah-unload".to_owned())
                .spawn(move || drop(last));
            if let Err(error) = spawned {
                // Then the model was dropped on this thread.
                tracing::debug!(%error, "no thread to unload a model");
            }
        }
    }

    /// Checks, tokenises and queues a request of session `session`, with data about its earlier
    /// prompts.
    pub(super) fn start(
        self: &Arc<Self>,
        request: TextRequest<'_>,
        session: u64,
        past: &mut Past,
    ) -> Result<Started> {
        let Known { config, about, .. } = &*self.known;
        let info = &about.info;
        let effective = request.resolve(about)?;
        if info.vectors_only {
            return Err(Error::VectorsOnly {
                model: info.name.clone(),
                architecture: info.architecture.clone(),
            });
        }
        let checked = about.check_text(&request.prompt, &effective);
        checked.map_err(|error| self.explain(error))?;
        config.check_cache_tokens(&effective.memory)?;
        let asked_at = Instant::now();
        let (writer, stream) = request.stream(config.max_unread_bytes as usize);
        let fitted = self.fit(request.prompt, &effective, past)?;
        let parts = SamplerParts::new(
            &effective,
            &self.llama,
            || self.ends(),
            info.vocabulary,
            info.context_size,
        )?;
        let form = effective.output.as_ref();
        let constraint = form
            .map(|form| self.grammars.constraint(form))
            .transpose()?;
        self.queue.submit(Job {
            sampler: Sampler::new(&effective, parts, &fitted.tokens),
            prompt: fitted.tokens,
            constraint,
            settings: Arc::clone(&effective),
            stream: writer,
            log: Arc::clone(request.log),
            owner: request.owner.clone(),
            session,
            trim_policy: fitted.trim_policy,
            forgotten: fitted.forgotten,
            asked_at,
            queue_limit: QueueLimit::new(config.default_task_timeout, &effective),
        })?;
        Ok(Started {
            stream,
            settings: effective,
            producer: Box::new(InUse::new(self)),
        })
    }

    /// The error for a feature that is lacking because of how this model is served, with the
    /// reason.
    fn explain(&self, error: Error) -> Error {
        match error {
            Error::Unsupported {
                feature: Feature::Deterministic,
                ..
            } => Error::NotDeterministic {
                cells: self.cells.total,
            },
            other => other,
        }
    }

    /// The tokens that end a generation. They are only searched once, because a vocabulary is
    /// large.
    fn ends(&self) -> &[TokenId] {
        self.ends.get_or_init(|| {
            let last = i32::try_from(self.known.about.info.vocabulary).unwrap_or(i32::MAX);
            let all = (0..last).map(TokenId);
            all.filter(|&token| self.llama.vocab().is_eog(token))
                .collect()
        })
    }
}

/// Keeps the model in memory as long as a reader waits for its answer.
#[derive(Debug)]
pub(super) struct InUse(Option<Arc<Loaded>>);

impl InUse {
    pub(super) fn new(loaded: &Arc<Loaded>) -> Self {
        Self(Some(Arc::clone(loaded)))
    }
}

impl Producer for InUse {
    fn wake(&self) {
        if let Some(loaded) = &self.0 {
            loaded.queue.wake();
        }
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if let Some(loaded) = self.0.take() {
            Loaded::let_go(loaded);
        }
    }
}
