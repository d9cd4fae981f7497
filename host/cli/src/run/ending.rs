//! A host that is told to end leaves nothing behind: what it had opened is closed before the signal
//! takes its way.

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level::emulate_default_handler;

/// Waits for signals while it lives.
#[derive(Debug)]
pub(super) struct Ending {
    waiting: Handle,
}

impl Ending {
    /// Does `last` when SIGINT or SIGTERM comes; then the process ends of it, as it would have at
    /// once. Others are as they were: a hangup that is to be ignored stays so.
    pub(super) fn watch(mut last: impl FnMut() + Send + 'static) -> Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM]).context("signals can't be watched")?;
        let waiting = signals.handle();
        std::thread::Builder::new()
            .name("mynah-signals".to_owned())
            .spawn(move || {
                for signal in signals.forever() {
                    last();
                    // It ends the process, and there is nobody to tell if it can't.
                    let _ = emulate_default_handler(signal);
                }
            })
            .context("no thread for signals")?;
        Ok(Self { waiting })
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.waiting.close();
    }
}
