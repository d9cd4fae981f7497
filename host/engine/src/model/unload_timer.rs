//! The thread that unloads a model after it was unused for `keep_alive`.

use std::sync::Weak;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use mynah_core::{Error, Result};

use super::slot::Slot;

/// Maximum time between two checks of memory pressure while an unused model is kept. If memory is
/// short, the model is unloaded at once.
const MOST: Duration = Duration::from_secs(5);

/// Starts the thread. The caller sends a message after each load of the model. The thread ends when
/// the sender is dropped.
///
/// # Errors
///
/// [`Error::Thread`] if the thread could not be started.
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
        // Held only briefly, so that the model can be dropped.
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
            // The model is not in memory. Waits until it is.
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
