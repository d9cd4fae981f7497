//! The thread that unloads a model when nobody has used it for as long as it is kept.

use std::sync::Weak;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::slot::Slot;
use crate::{Error, Result};

/// Time between two looks at memory on behalf of a model that is kept: when that is short, it goes
/// at once.
const MOST: Duration = Duration::from_secs(5);

/// Starts the thread. What it gives is to be told when the model has been loaded; the thread ends
/// when that goes.
///
/// # Errors
///
/// [`Error::Thread`].
pub(super) fn start(slot: Weak<Slot>) -> Result<Sender<()>> {
    let (tell, told) = mpsc::channel();
    std::thread::Builder::new()
        .name("mynah-keeper".to_owned())
        .spawn(move || keep(&slot, &told))
        .map_err(Error::Thread)?;
    Ok(tell)
}

fn keep(slot: &Weak<Slot>, told: &Receiver<()>) {
    loop {
        // Held for a moment alone, so that the model can go.
        let left = match slot.upgrade() {
            Some(slot) => match slot.left(Instant::now()) {
                Some(Duration::ZERO) => {
                    slot.unload();
                    slot.left(Instant::now())
                }
                left => left,
            },
            None => return,
        };
        let ended = match left {
            // Not in memory: until it is.
            None => told.recv().is_err(),
            Some(left) => told.recv_timeout(left.min(MOST)) == Err(RecvTimeoutError::Disconnected),
        };
        if ended {
            return;
        }
    }
}
