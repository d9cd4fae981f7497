//! The backend of a GGUF file: a model in this process, computed by llama.cpp.

use std::path::Path;
use std::sync::Arc;

use mynah_core::{
    About, Backend, BackendSession, Feature, Model, Pending, Progress, Snapshot, Source, TokenId,
};

use super::loaded::Loaded;
use super::session::LocalSession;
use super::slot::Slot;
use super::source::GgufFile;
use crate::decode::RequestQueue;
use crate::{Error, ModelConfig, Owner, OwnerShare, Prompt, Result};

/// Loads a GGUF file and starts its worker, as [`LocalModel::load`] does, for programs that never
/// replace it.
///
/// # Errors
///
/// As [`LocalModel::load`]'s.
pub fn load<P: Progress>(
    path: &Path,
    config: ModelConfig,
    progress: impl FnMut(f32) -> P + Send + 'static,
) -> Result<Model> {
    LocalModel::load(path, config, progress).map(LocalModel::into_model)
}

/// A GGUF file that llama.cpp serves. Clones share it.
///
/// It is in memory from [`load`](Self::load) on, until nobody has used it for
/// [`ModelConfig::keep_alive`]; then the next request loads it again. It can be
/// [replaced](Self::replace) while it is used. When the last clone, [`Model`] and session is gone,
/// and the last generation, its worker ends and its memory is free.
#[derive(Debug, Clone)]
pub struct LocalModel {
    slot: Arc<Slot>,
}

impl LocalModel {
    /// Loads a GGUF file and starts its worker. Blocks until the model is ready to run, which reads
    /// the whole file once.
    ///
    /// The file is memory-mapped: its pages are shared with the page cache, and must not change
    /// while the model lives. With [`ModelConfig::keep_alive`] it must stay where it is. `progress`
    /// is given the share that is loaded, from 0.0 to 1.0, and may end the load ([`Progress`]).
    /// With [`ModelConfig::optimize`], the weights are converted first, or taken from the cache;
    /// that reads the whole file once more, counts as most of the progress, and can't be broken
    /// off: the load ends after it.
    ///
    /// # Errors
    ///
    /// An [`EngineError`](crate::EngineError) for a file that is not a whole GGUF, less memory than
    /// the model takes, a model that llama.cpp refuses or that makes no text, too little memory for
    /// its context, or a state folder that can't be used; settings out of range
    /// ([`Error::Settings`]); a load that `progress` ended ([`Error::LoadCancelled`]); with
    /// [`ModelConfig::optimize`], those of [`optimize::optimized`](super::optimize::optimized).
    pub fn load<P: Progress>(
        path: &Path,
        config: ModelConfig,
        progress: impl FnMut(f32) -> P + Send + 'static,
    ) -> Result<Self> {
        let loaded = Loaded::load(path, config, progress)?;
        Ok(Self {
            slot: Slot::new(loaded)?,
        })
    }

    /// Loads another file in this one's place: all clones, models and sessions go on with it.
    /// Generations that run go on to their end with the model that they began with, which stays in
    /// memory until then; the next request of each session goes to the new one, which reads its
    /// prompt from the beginning. Both are in memory for a while.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load)'s; then everything is as it was.
    pub fn replace<P: Progress>(
        &self,
        path: &Path,
        config: ModelConfig,
        progress: impl FnMut(f32) -> P + Send + 'static,
    ) -> Result<()> {
        let loaded = Loaded::load(path, config, progress)?;
        self.slot.replace(loaded)
    }

    /// The model, for sessions and grants. Each call gives a model of its own on the same weights;
    /// clone the model instead to have the same one.
    #[must_use]
    pub fn into_model(self) -> Model {
        Model::new(Arc::new(self))
    }
}

impl Backend for LocalModel {
    fn about(&self) -> Arc<About> {
        Arc::clone(&self.slot.known().about)
    }

    fn open_session(&self, session: u64, _owner: &Owner) -> Result<Box<dyn BackendSession>> {
        Ok(Box::new(LocalSession::open(&self.slot, session)?))
    }

    fn tokens(&self, prompt: &Prompt) -> Result<Vec<TokenId>> {
        let loaded = self.slot.current()?;
        let about = &loaded.known.about;
        about.require(Feature::TokenIds)?;
        let answer = usize::from(about.capabilities.has(Feature::Text));
        let tokens = loaded.tokens(prompt, answer)?;
        Ok(tokens.into_iter().map(|token| TokenId(token.0)).collect())
    }

    fn is_ready(&self) -> bool {
        self.slot.loaded().is_some()
    }

    fn ready(&self) -> Pending<()> {
        let slot = Arc::clone(&self.slot);
        Box::pin(async move {
            let (done, loaded) = tokio::sync::oneshot::channel();
            std::thread::Builder::new()
                .name("mynah-load".to_owned())
                .spawn(move || {
                    // Who waited may have gone; the model is there for the next one.
                    let _ = done.send(slot.current().map(drop));
                })
                .map_err(Error::Thread)?;
            loaded.await.unwrap_or(Err(Error::Unavailable))
        })
    }

    fn snapshot(&self) -> Snapshot {
        self.slot.snapshot()
    }

    fn owners(&self) -> Vec<OwnerShare> {
        self.slot.owners()
    }

    fn is_alive(&self) -> bool {
        self.slot.with_queue(RequestQueue::is_alive)
    }

    fn unload(&self) -> bool {
        self.slot.unload()
    }

    fn is_from(&self, source: &dyn Source) -> bool {
        let Some(source) = source.downcast_ref::<GgufFile>() else {
            return false;
        };
        let known = self.slot.known();
        source.is_of(&known.about.info.path, &known.config)
    }
}
