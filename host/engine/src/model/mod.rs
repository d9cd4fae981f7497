//! A GGUF model: opened and checked, loaded once, shared by all its sessions, unloaded and
//! replaced.

mod chat;
mod cpu;
mod fit;
mod info;
mod load;
mod loaded;
pub mod optimize;
mod options;
mod prompt;
mod recommended;
mod registry;
mod slot;
mod unload_timer;
mod vectors;
mod vocabulary;

pub use cpu::cpu_features;
pub use info::ModelInfo;
pub use load::Progress;
pub use mynah_gguf as gguf;
pub use options::LoadOptions;
pub use registry::Registry;
pub(crate) use vectors::Embedding;
pub use vectors::Embeddings;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(doc)]
use crate::ModelConfig;
use crate::decode::RequestQueue;
use crate::{Error, Owner, OwnerShare, Prompt, Report, Result, Session, Status};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use chat::fuzz::render as fuzz_template;
pub(crate) use fit::Past;
pub(crate) use loaded::{About, Asker, Loaded};
use slot::Slot;

/// A model. Clones share it; when the last clone and session is gone, and the last generation, its
/// worker ends and its memory is free.
///
/// It is in memory from [`load`](Self::load) on, until nobody has used it for
/// [`ModelConfig::keep_alive`]; then the next request loads it again. It can be
/// [replaced](Self::replace) while it is used.
#[derive(Debug, Clone)]
pub struct Model {
    slot: Arc<Slot>,
}

impl Model {
    /// Loads a model and starts its worker. Blocks until the model is ready to run, which reads the
    /// whole file once.
    ///
    /// A [`ModelConfig`] is all that it takes; [`LoadOptions`] say more.
    ///
    /// The file is memory-mapped: its pages are shared with the page cache, and must not change
    /// while the model lives. With [`ModelConfig::keep_alive`] it must stay where it is. `progress`
    /// is told the share that is loaded, from 0.0 to 1.0, and may end the load ([`Progress`]). With
    /// [`ModelConfig::optimize`], the weights are converted first, or taken from the cache; that
    /// reads the whole file once more, counts as most of the progress, and can't be broken off: the
    /// load ends after it.
    ///
    /// # Errors
    ///
    /// A file that is not a whole GGUF ([`Error::File`]), less memory than the model takes
    /// ([`Error::TooLittleMemory`]), a model that llama.cpp refuses or that makes no text, settings
    /// out of range, too little memory for its context, a state folder that can't be used
    /// ([`Error::StateFolder`]), or a load that `progress` ended ([`Error::LoadCancelled`]); with
    /// [`ModelConfig::optimize`], those of [`optimize::optimized`].
    pub fn load<P: Progress>(
        path: &Path,
        options: impl Into<LoadOptions>,
        progress: impl FnMut(f32) -> P + Send + 'static,
    ) -> Result<Self> {
        let loaded = Loaded::load(path, options.into(), progress)?;
        Ok(Self {
            slot: Slot::new(loaded)?,
        })
    }

    /// Loads another model in this one's place: all clones and sessions go on with it. Generations
    /// that run go on to their end with the model that they began with, which stays in memory until
    /// then; the next request of each session goes to the new one, which reads its prompt from the
    /// beginning. Both models are in memory for a while.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load)'s; then everything is as it was.
    pub fn replace<P: Progress>(
        &self,
        path: &Path,
        options: impl Into<LoadOptions>,
        progress: impl FnMut(f32) -> P + Send + 'static,
    ) -> Result<()> {
        let loaded = Loaded::load(path, options.into(), progress)?;
        self.slot.replace(loaded)
    }

    /// Takes the model out of memory if no generation of it lives, and waits for that. Says whether
    /// it is out of memory. The next request loads it again.
    pub fn unload(&self) -> bool {
        self.slot.unload()
    }

    /// Whether the model is in memory.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.slot.loaded().is_some()
    }

    /// Waits until the model is in memory, loading it on a thread of its own where it isn't. What
    /// needs the model loads it in any case; this is for those who may not block. Should it be
    /// unloaded in between, they block all the same.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load)'s.
    pub async fn ready(&self) -> Result<()> {
        if self.is_loaded() {
            return Ok(());
        }
        let (done, loaded) = tokio::sync::oneshot::channel();
        let slot = Arc::clone(&self.slot);
        std::thread::Builder::new()
            .name("mynah-load".to_owned())
            .spawn(move || {
                // Who waited may have gone; the model is there for the next one.
                let _ = done.send(slot.current().map(drop));
            })
            .map_err(Error::Thread)?;
        loaded.await.unwrap_or(Err(Error::Unavailable))
    }

    /// Opens a conversation. Who asks is what fairness goes by: give the sessions of one owner the
    /// same [`Owner`].
    ///
    /// # Errors
    ///
    /// [`Error::TooManySessions`] when as many are open as may be.
    pub fn session(&self, owner: Owner) -> Result<Session> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let loaded = self.slot.loaded();
        if let Some(loaded) = &loaded {
            loaded.queue.open_session(number)?;
        }
        Ok(Session::new(self.clone(), loaded.as_ref(), owner, number))
    }

    /// What the model is.
    #[must_use]
    pub fn info(&self) -> Arc<ModelInfo> {
        Arc::clone(&self.slot.about().info)
    }

    /// What the model is doing; where it is not in memory, what it had done when it last was.
    #[must_use]
    pub fn status(&self) -> Status {
        self.slot.status()
    }

    /// What there is to know of the model, in five kinds: what every view of it shows.
    #[must_use]
    pub fn report(&self) -> Report {
        self.slot.report()
    }

    /// What each owner was served, in the order of their names: all that want something now, and
    /// those of late, up to some thousand. Nobody where the model is not in memory.
    #[must_use]
    pub fn owners(&self) -> Vec<OwnerShare> {
        self.slot.owners()
    }

    /// Notes a key that a guest sent with its settings and that sets nothing, for the
    /// [report](Self::report).
    pub fn note_ignored_key(&self, key: &str, hint: &str) {
        self.slot.ignored_keys.note(key, hint);
    }

    /// Whether the model's worker does its work: it waits for something to do, or began its round
    /// less than a minute ago, which is far more than a step takes. A model that is not in memory
    /// has none, and counts as alive.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.slot.with_queue(RequestQueue::is_alive)
    }

    /// Whether both are the same model, in memory once.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.slot, &other.slot)
    }

    /// The tokens of a prompt, as a request with it would have them: ids from 0 to the vocabulary's
    /// size.
    ///
    /// # Errors
    ///
    /// As [`Session::start`]'s for the prompt: empty, too long, or one that the chat template can't
    /// render.
    pub fn tokens(&self, prompt: Prompt) -> Result<Vec<u32>> {
        let loaded = self.current()?;
        let answer = usize::from(!loaded.about.info.vectors_only);
        let tokens = loaded.tokens(&prompt, answer)?;
        let ids = tokens.into_iter().map(|token| token.0.cast_unsigned());
        Ok(ids.collect())
    }

    /// What is known of the model, in memory or not.
    pub(crate) fn about(&self) -> Arc<About> {
        self.slot.about()
    }

    /// The model in memory, loaded if it isn't.
    pub(crate) fn current(&self) -> Result<Arc<Loaded>> {
        self.slot.current()
    }

    /// Whether it is this file, served this way.
    fn is_of(&self, path: &Path, options: &LoadOptions) -> bool {
        let about = self.slot.about();
        *about.config == options.config
            && about.observer == options.observer
            && registry::is_same_file(&about.info.path, path)
    }
}
