//! A state folder that another model or process still uses: tried again until it is free. A model
//! that is replaced by one of the same file holds it until its last generation has ended.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use super::Inbox;
use super::stored::{StoreParams, Stored};
use crate::disk::FolderError;
use crate::{Error, Result};

/// Time between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// A model's states on disk, when it is loaded.
#[derive(Debug)]
pub(super) enum States {
    /// The operator wants none there.
    None,
    /// They can be used.
    Open(Box<Stored>),
    /// Somebody else uses the folder.
    InUse(Awaited),
}

impl States {
    /// Opens the folder, or begins to wait for it.
    ///
    /// # Errors
    ///
    /// [`Error::StateFolder`], [`Error::Thread`].
    pub(super) fn open(
        store: Option<StoreParams>,
        share_prefixes: bool,
        inbox: &Arc<Inbox>,
    ) -> Result<Self> {
        let Some(store) = store else {
            return Ok(Self::None);
        };
        let woken = Arc::clone(inbox);
        let open = move || {
            let woken = Arc::clone(&woken);
            Stored::open(&store, share_prefixes, move || woken.wake())
        };
        match open() {
            Ok(stored) => Ok(Self::Open(Box::new(stored))),
            Err(error @ FolderError::InUse { .. }) => {
                tracing::warn!("{error}. This one keeps none on disk until it is free");
                Ok(Self::InUse(Awaited::start(open, Arc::clone(inbox))?))
            }
            Err(FolderError::Io { path, error }) => Err(Error::StateFolder { path, error }),
        }
    }
}

/// A thread that waits for a folder. It ends when this goes.
#[derive(Debug)]
pub(super) struct Awaited {
    opened: Receiver<Stored>,
    _stays: Sender<()>,
}

impl Awaited {
    fn start(
        open: impl Fn() -> std::result::Result<Stored, FolderError> + Send + 'static,
        inbox: Arc<Inbox>,
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
                            inbox.wake();
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
    pub(super) fn take(&self) -> Option<Stored> {
        self.opened.try_recv().ok()
    }
}
