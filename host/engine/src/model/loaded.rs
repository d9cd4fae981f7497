//! A model in memory: its worker, and the data for checking requests.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use mynah_chat::ChatTemplate;
use mynah_core::{About, Error, Feature, Producer, TokenId};
use mynah_grammar::Grammars;
use mynah_llama::LlamaModel;
use mynah_settings::{KvCells, ModelConfig};

use super::answer::Format;
use super::tokenizer::Tokenizer;
use crate::decode::{Pooling, RequestQueue, Worker};
use crate::prepare::Pool;

/// A model in memory. When the slot and the last generation have dropped it, its worker ends and
/// its memory is freed.
#[derive(Debug)]
pub(crate) struct Loaded {
    // The first field, so that the worker has ended before the rest is dropped.
    pub(super) _worker: Worker,
    pub(crate) queue: Arc<RequestQueue>,
    pub(super) pool: Arc<Pool>,
    pub(super) tokenizer: Tokenizer,
    pub(super) llama: Arc<LlamaModel>,
    pub(super) grammars: Grammars,
    pub(super) template: ChatTemplate,
    pub(super) format: OnceLock<Format>,
    pub(super) ends: OnceLock<Vec<TokenId>>,
    pub(super) cells: KvCells,
    pub(crate) known: Arc<Known>,
    pub(super) since: Instant,
}

/// The data about a model that remains when it is unloaded.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) about: Arc<About>,
    /// How the vectors of tokens are pooled into one, or the reason why the model has none.
    pub(crate) pooling: std::result::Result<Pooling, String>,
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

    /// The error for a feature that is lacking because of how this model is served, with the
    /// reason.
    pub(super) fn explain(&self, error: Error) -> Error {
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
    pub(super) fn ends(&self) -> &[TokenId] {
        self.ends.get_or_init(|| {
            let last = i32::try_from(self.known.about.info.vocabulary).unwrap_or(i32::MAX);
            let all = (0..last).map(TokenId);
            all.filter(|&token| self.llama.vocab().is_eog(token))
                .collect()
        })
    }
}

/// A reference to the model. Dropping the last one does not wait until the worker has ended.
#[derive(Debug)]
pub(super) struct InUse(Option<Arc<Loaded>>);

impl InUse {
    pub(super) fn new(loaded: Arc<Loaded>) -> Self {
        Self(Some(loaded))
    }
}

impl Clone for InUse {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(self))
    }
}

impl Deref for InUse {
    type Target = Arc<Loaded>;

    fn deref(&self) -> &Arc<Loaded> {
        match &self.0 {
            Some(loaded) => loaded,
            None => unreachable!("it is only taken when it is dropped"),
        }
    }
}

/// Keeps the model in memory as long as a reader waits for its answer.
impl Producer for InUse {
    fn wake(&self) {
        self.queue.wake();
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if let Some(loaded) = self.0.take() {
            Loaded::let_go(loaded);
        }
    }
}
