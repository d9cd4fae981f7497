//! A state folder that another model or process still uses: tried again until it is free. A model
//! that is replaced by one of the same file holds it until its last generation has ended.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use super::disk_cache::{DiskCache, DiskCacheParams};
use crate::decode::RequestQueue;
use crate::disk::FolderError;
use crate::{Error, Result};

/// Time between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// A model's states on disk, when it is loaded.
#[derive(Debug)]
pub(in crate::decode) enum DiskStart {
    /// The operator wants none there.
    None,
    /// They can be used.
    Open(Box<DiskCache>),
    /// Somebody else uses the folder.
    InUse(StoreWait),
}

impl DiskStart {
    /// Opens the folder, or begins to wait for it.
    ///
    /// # Errors
    ///
    /// [`Error::StateFolder`], [`Error::Thread`].
    pub(in crate::decode) fn open(
        store: Option<DiskCacheParams>,
        share_prefixes: bool,
        queue: &Arc<RequestQueue>,
    ) -> Result<Self> {
        let Some(store) = store else {
            return Ok(Self::None);
        };
        let woken = Arc::clone(queue);
        let open = move || {
            let woken = Arc::clone(&woken);
            DiskCache::open(&store, share_prefixes, move || woken.wake())
        };
        match open() {
            Ok(stored) => Ok(Self::Open(Box::new(stored))),
            Err(error @ FolderError::InUse { .. }) => {
                tracing::warn!("{error}. This one keeps none on disk until it is free");
                Ok(Self::InUse(StoreWait::start(open, Arc::clone(queue))?))
            }
            Err(FolderError::Io { path, error }) => Err(Error::StateFolder { path, error }),
        }
    }
}

/// A thread that waits for a folder. It ends when this goes.
#[derive(Debug)]
pub(in crate::decode) struct StoreWait {
    opened: Receiver<DiskCache>,
    _stays: Sender<()>,
}

impl StoreWait {
    fn start(
        open: impl Fn() -> std::result::Result<DiskCache, FolderError> + Send + 'static,
        queue: Arc<RequestQueue>,
    ) -> Result<Self> {
        let (give, opened) = mpsc::channel();
        let (stays, is_left) = mpsc::channel::<()>();
        std::thread::Builder::new()
            .name("mynah-state-folder".to_owned())
            .spawn(move || {
                while is_left.recv_timeout(BETWEEN_LOOKS) == Err(RecvTimeoutError::Timeout) {
                    match open() {
                        Ok(stored) => {
                            // The worker may have gone; then the folder is free for the next one.
                            let _ = give.send(stored);
                            queue.wake();
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
            _stays: stays,
        })
    }

    /// The folder, when it is free.
    pub(in crate::decode) fn take(&self) -> Option<DiskCache> {
        self.opened.try_recv().ok()
    }
}
