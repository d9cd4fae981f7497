//! Waits for SIGINT and SIGTERM. While guests run, the first one asks the run to stop. Otherwise,
//! and the second time, the signal cleans up and ends the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level::emulate_default_handler;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// The signal that asks the run to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// SIGINT, which a person sends from a terminal.
    Interrupt,
    /// SIGTERM, which a supervisor sends.
    Terminate,
}

impl Stop {
    fn new(signal: i32) -> Self {
        match signal {
            SIGINT => Self::Interrupt,
            _ => Self::Terminate,
        }
    }

    /// Ends the process with this signal, so that its parent sees what ended it.
    pub(super) fn end_process(self) {
        let signal = match self {
            Self::Interrupt => SIGINT,
            Self::Terminate => SIGTERM,
        };
        // A failure could not be reported.
        let _ = emulate_default_handler(signal);
    }
}

/// Watches for signals until it is dropped.
#[derive(Debug)]
pub(super) struct Ending {
    waiting: Handle,
    first: UnboundedReceiver<Stop>,
    /// Whether a signal asks instead of ending the process.
    asks: Arc<AtomicBool>,
}

impl Ending {
    /// Calls `last` on SIGINT or SIGTERM, and then the signal ends the process as usual. The first
    /// signal after a call of [`asked`](Self::asked) is returned there instead. Other signals keep
    /// their behaviour, so an ignored hangup stays ignored.
    pub(super) fn watch(mut last: impl FnMut() + Send + 'static) -> Result<Self> {
        let mut signals =
            Signals::new([SIGINT, SIGTERM]).context("the signal handlers can't be installed")?;
        let waiting = signals.handle();
        let (told, first) = unbounded_channel();
        let asks = Arc::new(AtomicBool::new(false));
        std::thread::Builder::new()
            .name("mynah-signals".to_owned())
            .spawn({
                let asks = Arc::clone(&asks);
                move || {
                    for signal in signals.forever() {
                        let stop = Stop::new(signal);
                        if asks.swap(false, Ordering::Relaxed) && told.send(stop).is_ok() {
                            continue;
                        }
                        last();
                        stop.end_process();
                    }
                }
            })
            .context("the thread that waits for signals can't be started")?;
        Ok(Self {
            waiting,
            first,
            asks,
        })
    }

    /// Waits for the next signal, which does not end the process.
    pub(super) async fn asked(&mut self) -> Stop {
        self.asks.store(true, Ordering::Relaxed);
        match self.first.recv().await {
            Some(stop) => stop,
            // The thread ends only after this is dropped.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.waiting.close();
    }
}
