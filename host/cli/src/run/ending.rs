//! Cleans up on SIGINT and SIGTERM: closes what the host has open, then lets the signal end the
//! process.

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level::emulate_default_handler;

/// Watches for signals until it is dropped.
#[derive(Debug)]
pub(super) struct Ending {
    waiting: Handle,
}

impl Ending {
    /// Calls `last` on SIGINT or SIGTERM; then the signal ends the process as usual. Other signals
    /// keep their behaviour, so an ignored hangup stays ignored.
    pub(super) fn watch(mut last: impl FnMut() + Send + 'static) -> Result<Self> {
        let mut signals =
            Signals::new([SIGINT, SIGTERM]).context("the signal handlers can't be installed")?;
        let waiting = signals.handle();
        std::thread::Builder::new()
            .name("mynah-signals".to_owned())
            .spawn(move || {
                for signal in signals.forever() {
                    last();
                    // Ends the process. A failure could not be reported.
                    let _ = emulate_default_handler(signal);
                }
            })
            .context("the thread that waits for signals can't be started")?;
        Ok(Self { waiting })
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.waiting.close();
    }
}
