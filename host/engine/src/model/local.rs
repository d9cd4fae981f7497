//! The backend of a GGUF file: a model in this process that llama.cpp computes.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;

use mynah_core::{
    About, Backend, BackendSession, Feature, Model, Owner, OwnerShare, Pending, Progress, Prompt,
    Result, Snapshot, TokenId,
};
use mynah_settings::ModelConfig;

use super::loaded::Loaded;
use super::prompt::Purpose;
use super::session::LocalSession;
use super::slot::Slot;
use super::source::GgufFile;
use crate::decode::RequestQueue;

/// Loads a GGUF file and starts its worker, like [`LocalModel::load`], for programs that never
/// replace it.
///
/// # Errors
///
/// Those of [`LocalModel::load`].
pub fn load<P: Progress>(
    path: &Path,
    config: ModelConfig,
    progress: impl FnMut(f32) -> P + Send + 'static,
) -> Result<Model> {
    LocalModel::load(path, config, progress).map(LocalModel::into_model)
}

/// A GGUF file that llama.cpp serves. Clones share it.
///
/// It is in memory from [`load`](Self::load) until it has been unused for
/// [`ModelConfig::keep_alive`]. The next request loads it again. It can be
/// [replaced](Self::replace) while it is used. After the last clone, [`Model`], session and
/// generation are dropped, its worker ends and its memory is freed.
#[derive(Debug, Clone)]
pub struct LocalModel {
    slot: Arc<Slot>,
}

impl LocalModel {
    /// Loads a GGUF file and starts its worker. Blocks until the model is ready, which reads the
    /// whole file once.
    ///
    /// The file is memory-mapped: its pages are shared with the page cache. If it is written to or
    /// cut short while the model is in use, running requests fail with
    /// [`EngineError::FileChanged`](crate::EngineError::FileChanged), and the next one loads it
    /// anew. For that, the first load installs a handler for SIGBUS on Linux, which passes on
    /// everything else ([`leave_bus_errors`](crate::leave_bus_errors) prevents it). With
    /// [`ModelConfig::keep_alive`] the file must not be moved. `progress` receives the loaded
    /// share, from 0.0 to 1.0, and may cancel the load ([`Progress`]). With
    /// [`ModelConfig::optimize`], the weights are first converted or taken from the cache. This
    /// reads the whole file once more, counts as most of the progress, and cannot be cancelled: the
    /// load then ends after it.
    ///
    /// # Errors
    ///
    /// An [`EngineError`](crate::EngineError) for a file that is not a complete GGUF file, too
    /// little memory for the model or its context, a model that llama.cpp refuses or does not
    /// support, or a state folder that cannot be used;
    /// [`Error::Settings`](mynah_core::Error::Settings) for settings out of range;
    /// [`Error::LoadCancelled`](mynah_core::Error::LoadCancelled) for a load that `progress`
    /// cancelled; with [`ModelConfig::optimize`], the errors of
    /// [`optimize::optimized`](super::optimize::optimized).
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

    /// Replaces the file by another one. All clones, models and sessions continue with it. Running
    /// generations continue with the old model, which stays in memory until they end. The next
    /// request of each session uses the new model, which computes its prompt from the beginning.
    /// Both models are in memory for a while.
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load). Then nothing has changed.
    pub fn replace<P: Progress>(
        &self,
        path: &Path,
        config: ModelConfig,
        progress: impl FnMut(f32) -> P + Send + 'static,
    ) -> Result<()> {
        let loaded = Loaded::load(path, config, progress)?;
        self.slot.replace(loaded)
    }

    /// The model, for sessions and grants. Each call returns a separate model with the same
    /// weights. To share a model, clone it instead.
    #[must_use]
    pub fn into_model(self) -> Model {
        Model::new(Arc::new(self))
    }
}

impl Backend for LocalModel {
    fn about(&self) -> Arc<About> {
        Arc::clone(&self.slot.known().about)
    }

    fn open_session(&self, session: u64, owner: &Owner) -> Result<Box<dyn BackendSession>> {
        Ok(Box::new(LocalSession::open(&self.slot, session, owner)?))
    }

    fn tokens<'a>(&'a self, prompt: Prompt, owner: &'a Owner) -> Pending<'a, Vec<TokenId>> {
        Box::pin(async move {
            let loaded = self.slot.enter().await?;
            let about = &loaded.known.about;
            about.require(Feature::TokenIds)?;
            let (answer, purpose) = match about.capabilities.has(Feature::Text) {
                true => (1, Purpose::Continue),
                false => (0, Purpose::Vector),
            };
            loaded.count(prompt, answer, purpose, owner).await
        })
    }

    fn detokenise<'a>(
        &'a self,
        tokens: Vec<u32>,
        control: bool,
        owner: &'a Owner,
    ) -> Pending<'a, Vec<u8>> {
        Box::pin(async move {
            let loaded = self.slot.enter().await?;
            loaded.known.about.require(Feature::TokenIds)?;
            loaded.detokenise(tokens, control, owner).await
        })
    }

    fn is_ready(&self) -> bool {
        self.slot.is_ready()
    }

    fn ready(&self) -> Pending<'_, ()> {
        Box::pin(async { self.slot.enter().await.map(drop) })
    }

    fn snapshot(&self) -> Snapshot {
        self.slot.snapshot()
    }

    fn granted_as(&self, name: &str) {
        self.slot.grant(name);
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

    fn is_from(&self, source: &dyn Any) -> bool {
        let Some(source) = source.downcast_ref::<GgufFile>() else {
            return false;
        };
        let known = self.slot.known();
        source.is_of(&known.about.info.path, &known.config)
    }
}
