//! Whether a model has a disk cache now. While another model or process uses the folder, a thread
//! tries it again until it is free: a model that is replaced by one of the same file holds the
//! folder until its last generation has ended.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use mynah_core::{Error, Result};

use super::disk_cache::{DiskCache, DiskCacheParams};
use crate::EngineError;
use crate::disk::FolderError;

/// Time between two tries.
const BETWEEN_TRIES: Duration = Duration::from_millis(500);

/// A model's disk cache.
#[derive(Debug)]
pub(in crate::decode) enum DiskState {
    /// The operator did not request it, or its thread has ended.
    Off,
    /// It can be used.
    Open(Box<DiskCache>),
    /// Another process or model uses its folder.
    Waiting(StoreWait),
}

impl DiskState {
    /// Opens the folder, or begins to wait for it. `wake` is called when the disk has answered or
    /// the folder is free.
    ///
    /// # Errors
    ///
    /// [`EngineError::StateFolder`], [`Error::Thread`].
    pub(in crate::decode) fn open(
        params: Option<DiskCacheParams>,
        share_prefixes: bool,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self> {
        let Some(params) = params else {
            return Ok(Self::Off);
        };
        let wake = Arc::new(wake);
        let open = {
            let wake = Arc::clone(&wake);
            move || {
                let wake = Arc::clone(&wake);
                DiskCache::open(&params, share_prefixes, move || wake())
            }
        };
        match open() {
            Ok(cache) => Ok(Self::Open(Box::new(cache))),
            Err(error @ FolderError::InUse { .. }) => {
                tracing::warn!("{error}. This one keeps none on disk until it is free");
                Ok(Self::Waiting(StoreWait::start(open, move || wake())?))
            }
            Err(error) => Err(EngineError::StateFolder {
                reason: error.to_string(),
            }
            .into()),
        }
    }

    /// Takes the folder if it has become free.
    pub(super) fn poll(&mut self) {
        if let Self::Waiting(wait) = self
            && let Ok(cache) = wait.opened.try_recv()
        {
            *self = Self::Open(Box::new(cache));
        }
    }

    pub(super) fn cache(&self) -> Option<&DiskCache> {
        match self {
            Self::Open(cache) => Some(cache),
            Self::Off | Self::Waiting(_) => None,
        }
    }

    pub(super) fn cache_mut(&mut self) -> Option<&mut DiskCache> {
        match self {
            Self::Open(cache) => Some(cache),
            Self::Off | Self::Waiting(_) => None,
        }
    }
}

/// A thread that waits for a folder. It ends when this is dropped.
#[derive(Debug)]
pub(in crate::decode) struct StoreWait {
    opened: Receiver<DiskCache>,
    _stop: Sender<()>,
}

impl StoreWait {
    fn start(
        open: impl Fn() -> std::result::Result<DiskCache, FolderError> + Send + 'static,
        wake: impl Fn() + Send + 'static,
    ) -> Result<Self> {
        let (give, opened) = mpsc::channel();
        let (stop, is_stopped) = mpsc::channel::<()>();
        std::thread::Builder::new()
            .name("mynah-state-folder".to_owned())
            .spawn(move || {
                while is_stopped.recv_timeout(BETWEEN_TRIES) == Err(RecvTimeoutError::Timeout) {
                    match open() {
                        Ok(cache) => {
                            // The worker may have ended. Then the folder is free for the next one.
                            let _ = give.send(cache);
                            wake();
                            return;
                        }
                        Err(FolderError::InUse { .. }) => {}
                        Err(error) => {
                            tracing::warn!("{error}. This model keeps no states on disk");
                            return;
                        }
                    }
                }
            })
            .map_err(Error::Thread)?;
        Ok(Self {
            opened,
            _stop: stop,
        })
    }
}
