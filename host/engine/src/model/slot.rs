//! The slot of a model in memory: it is loaded, being loaded or unloaded, and may be replaced.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use mynah_core::{
    Error, ModelState, OwnerShare, Presence, PressureLevel, Result, Snapshot, Status,
};
use mynah_settings::ModelConfig;

use super::loaded::{InUse, Known, Loaded};
use super::unload_timer;
use crate::decode::RequestQueue;

/// The state that all handles of a model share.
#[derive(Debug)]
pub(super) struct Slot {
    state: Mutex<State>,
    /// Notified when a load or an unload has ended.
    settled: Condvar,
    /// The first name under which the model was granted.
    granted: OnceLock<Arc<str>>,
}

#[derive(Debug)]
struct State {
    known: Arc<Known>,
    loaded: Option<Arc<Loaded>>,
    /// Whether a thread is loading or unloading it.
    is_changing: bool,
    /// Its status when it was last unloaded.
    last: Status,
    /// The thread that unloads it when it is not used. It ends when this is dropped.
    unload_timer: Option<Sender<()>>,
}

impl State {
    fn status(&self) -> Status {
        match &self.loaded {
            Some(loaded) => loaded.queue.status(),
            None => self.last.clone(),
        }
    }

    /// The model, if it is in memory and its file is unchanged.
    fn unchanged(&self) -> Option<&Arc<Loaded>> {
        let loaded = self.loaded.as_ref();
        loaded.filter(|loaded| !loaded.llama.files().has_changed())
    }

    /// The time at which the model is unloaded if it is not used until then. `None`: it stays, is
    /// in use, or is not in memory.
    fn kept_until(&self) -> Option<Instant> {
        let idle_since = self.loaded.as_ref()?.queue.idle_since()?;
        idle_since.checked_add(self.known.config.keep_alive?)
    }
}

/// Ends a change even if it panics, because other threads wait for it.
struct Change<'a>(&'a Slot);

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.0.lock().is_changing = false;
        self.0.settled.notify_all();
    }
}

impl Slot {
    /// A slot with this model.
    ///
    /// # Errors
    ///
    /// [`Error::Thread`] if a thread could not be started.
    pub(super) fn new(loaded: Loaded) -> Result<Arc<Self>> {
        let slot = Arc::new(Self {
            state: Mutex::new(State {
                known: Arc::clone(&loaded.known),
                loaded: Some(Arc::new(loaded)),
                is_changing: false,
                last: Status::default(),
                unload_timer: None,
            }),
            settled: Condvar::new(),
            granted: OnceLock::new(),
        });
        slot.keep()?;
        Ok(slot)
    }

    /// The data about the model, whether it is in memory or not.
    pub(super) fn known(&self) -> Arc<Known> {
        Arc::clone(&self.lock().known)
    }

    /// The model, if it is in memory.
    pub(super) fn loaded(&self) -> Option<Arc<Loaded>> {
        self.lock().loaded.clone()
    }

    /// Whether the model is in memory and its file is unchanged.
    pub(super) fn is_ready(&self) -> bool {
        self.lock().unchanged().is_some()
    }

    /// The model. If it is not in memory, or its file has changed since, it is loaded on a thread
    /// of its own.
    pub(super) async fn enter(self: &Arc<Self>) -> Result<InUse> {
        if let Some(loaded) = self.lock().unchanged().cloned() {
            return Ok(InUse::new(loaded));
        }
        let (done, loaded) = tokio::sync::oneshot::channel();
        let slot = Arc::clone(self);
        std::thread::Builder::new()
            .name("mynah-load".to_owned())
            .spawn(move || {
                // The waiting caller may be gone. The model is then loaded for the next one.
                let _ = done.send(slot.current().map(InUse::new));
            })
            .map_err(Error::Thread)?;
        loaded.await.unwrap_or(Err(Error::Unavailable))
    }

    /// The model. If it is not in memory, or its file has changed since, it is loaded with the same
    /// configuration. Other threads wait for the same load.
    fn current(self: &Arc<Self>) -> Result<Arc<Loaded>> {
        let (change, known, stale) = {
            let mut state = self.lock();
            loop {
                match &state.loaded {
                    Some(loaded) if !loaded.llama.files().has_changed() => {
                        return Ok(Arc::clone(loaded));
                    }
                    _ if !state.is_changing => break,
                    _ => {}
                }
                let settled = self.settled.wait(state);
                state = settled.unwrap_or_else(PoisonError::into_inner);
            }
            state.is_changing = true;
            let stale = state.loaded.take();
            if let Some(stale) = &stale {
                state.last = stale.queue.status().when_unloaded();
            }
            (Change(self), Arc::clone(&state.known), stale)
        };
        if let Some(stale) = stale {
            let path = stale.llama.files().path().display();
            let model = stale.known.about.info.name.as_str();
            tracing::warn!(model, %path, "the model's file has changed: loading it anew");
            // Waits for its worker, unless a request still has to read its error.
            drop(stale);
        }
        let loaded = Loaded::load(
            &known.about.info.path,
            ModelConfig::clone(&known.config),
            |_| {},
        )?;
        self.name(&loaded);
        let loaded = Arc::new(loaded);
        let mut state = self.lock();
        // It may have been replaced meanwhile. Then the replacement stays.
        if state.loaded.is_none() {
            // The file may have changed.
            state.known = Arc::clone(&loaded.known);
        }
        let now = Arc::clone(state.loaded.get_or_insert_with(|| Arc::clone(&loaded)));
        drop(state);
        drop(change);
        // If the model was replaced, dropping this waits for its worker, so no lock may be held.
        drop(loaded);
        self.keep()?;
        Ok(now)
    }

    /// Replaces the model.
    pub(super) fn replace(self: &Arc<Self>, with: Loaded) -> Result<()> {
        self.name(&with);
        let mut state = self.lock();
        state.known = Arc::clone(&with.known);
        let before = state.loaded.replace(Arc::new(with));
        drop(state);
        // Waits for its worker, if there is no generation of it.
        drop(before);
        self.keep()
    }

    /// Calls the model by this name in the log, also when it is loaded again. Only the first name
    /// has an effect.
    pub(super) fn grant(&self, name: &str) {
        self.granted.get_or_init(|| name.into());
        if let Some(loaded) = self.loaded() {
            self.name(&loaded);
            Loaded::let_go(loaded);
        }
    }

    /// Gives a model that was loaded its name in the log.
    fn name(&self, loaded: &Loaded) {
        if let Some(name) = self.granted.get() {
            loaded.queue.model().grant(name);
        }
    }

    /// Unloads the model if it has no running generation. Returns whether it is out of memory.
    pub(super) fn unload(&self) -> bool {
        let (change, loaded) = {
            let mut state = self.lock();
            while state.is_changing {
                let settled = self.settled.wait(state);
                state = settled.unwrap_or_else(PoisonError::into_inner);
            }
            let Some(loaded) = state.loaded.take() else {
                return true;
            };
            let loaded = match Arc::try_unwrap(loaded) {
                Ok(loaded) => loaded,
                // A generation is running, or a session is just using it.
                Err(shared) => {
                    state.loaded = Some(shared);
                    return false;
                }
            };
            state.last = loaded.queue.status().when_unloaded();
            state.is_changing = true;
            (Change(self), loaded)
        };
        let name = loaded.queue.model().clone();
        drop(loaded);
        drop(change);
        tracing::info!(model = &*name, "model unloaded");
        true
    }

    pub(super) fn owners(&self) -> Vec<OwnerShare> {
        let state = self.lock();
        let loaded = state.loaded.as_ref();
        loaded.map_or_else(Vec::new, |loaded| loaded.queue.owners())
    }

    /// The result of `look` for the model's queue, or true if the model is not in memory.
    pub(super) fn with_queue(&self, look: impl FnOnce(&RequestQueue) -> bool) -> bool {
        let state = self.lock();
        let loaded = state.loaded.as_ref();
        loaded.is_none_or(|loaded| look(&loaded.queue))
    }

    /// The description and the state of the model.
    pub(super) fn snapshot(&self) -> Snapshot {
        // The lock is held throughout: a clone of the model's `Arc` would keep it from being
        // unloaded.
        let state = self.lock();
        let loaded = state.loaded.as_ref();
        Snapshot {
            about: Arc::clone(&state.known.about),
            status: state.status(),
            presence: Presence {
                state: match loaded {
                    Some(_) => ModelState::Loaded,
                    None if state.is_changing => ModelState::Loading,
                    None => ModelState::Unloaded,
                },
                loaded_since: loaded.map(|loaded| loaded.since),
                kept_until: state.kept_until(),
            },
        }
    }

    /// Starts the unload timer, or tells it that the model was loaded, if the model has a
    /// `keep_alive`.
    fn keep(self: &Arc<Self>) -> Result<()> {
        let mut state = self.lock();
        if state.known.config.keep_alive.is_none() {
            return Ok(());
        }
        if let Some(unload_timer) = &state.unload_timer {
            // The thread lives as long as the sender.
            let _ = unload_timer.send(());
            return Ok(());
        }
        state.unload_timer = Some(unload_timer::start(Arc::downgrade(self))?);
        Ok(())
    }

    /// Time until the model may have to be unloaded. `None`: it is not in memory, or stays there.
    /// Zero if the model was unused for its whole `keep_alive`, or memory is short.
    pub(super) fn unload_in(&self, now: Instant) -> Option<Duration> {
        /// Time between two checks of a model that is in use.
        const IN_USE: Duration = Duration::from_secs(1);

        let state = self.lock();
        let keep_alive = state.known.config.keep_alive?;
        let loaded = state.loaded.as_ref()?;
        let in_use = keep_alive.clamp(Duration::from_millis(1), IN_USE);
        let kept_until = state.kept_until();
        let Some(kept_until) = kept_until.filter(|_| Arc::strong_count(loaded) == 1) else {
            return Some(in_use);
        };
        if loaded.queue.status().pressure.level >= PressureLevel::Close {
            return Some(Duration::ZERO);
        }
        Some(kept_until.saturating_duration_since(now))
    }

    /// A panic while the lock was held leaves the slot in one of its states: each change is one
    /// assignment.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
