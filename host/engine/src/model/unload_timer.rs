//! The thread that unloads a model when it was not used for as long as `keep_alive` says.

use std::sync::Weak;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::slot::Slot;
use crate::{Error, Result};

/// Time between two looks at memory while a model is kept: if memory is short, the model is
/// unloaded at once.
const MOST: Duration = Duration::from_secs(5);

/// Starts the thread. The caller sends a message each time that the model was loaded. The thread
/// ends when the sender is dropped.
///
/// # Errors
///
/// [`Error::Thread`].
pub(super) fn start(slot: Weak<Slot>) -> Result<Sender<()>> {
    let (loaded, is_loaded) = mpsc::channel();
    std::thread::Builder::new()
        .name("mynah-timer".to_owned())
        .spawn(move || keep(&slot, &is_loaded))
        .map_err(Error::Thread)?;
    Ok(loaded)
}

fn keep(slot: &Weak<Slot>, is_loaded: &Receiver<()>) {
    loop {
        // Held for a moment only, so that the model can be dropped.
        let remaining = match slot.upgrade() {
            Some(slot) => match slot.unload_in(Instant::now()) {
                Some(Duration::ZERO) => {
                    slot.unload();
                    slot.unload_in(Instant::now())
                }
                remaining => remaining,
            },
            None => return,
        };
        let ended = match remaining {
            // Not in memory: waits until it is.
            None => is_loaded.recv().is_err(),
            Some(remaining) => {
                let message = is_loaded.recv_timeout(remaining.min(MOST));
                message == Err(RecvTimeoutError::Disconnected)
            }
        };
        if ended {
            return;
        }
    }
}
