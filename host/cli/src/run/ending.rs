//! Waits for SIGINT, SIGTERM and SIGHUP. While guests run, the first SIGINT or SIGTERM asks the run
//! to stop. Otherwise, and the second time, the signal cleans up and ends the process.
//!
//! SIGHUP comes from a terminal that is closed, or from a supervisor that asks the host to read its
//! settings again. A process with a terminal stops on it. A process without one goes on.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level::emulate_default_handler;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// What a signal asks the run to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Stop.
    Stop(Stop),
    /// Read the settings again.
    Reload,
}

/// The signal that asks the run to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// SIGINT, which a person sends from a terminal.
    Interrupt,
    /// SIGTERM, which a supervisor sends.
    Terminate,
    /// SIGHUP, which the system sends when the terminal is closed.
    Hangup,
}

impl Stop {
    fn new(signal: i32) -> Self {
        match signal {
            SIGINT => Self::Interrupt,
            SIGHUP => Self::Hangup,
            _ => Self::Terminate,
        }
    }

    /// Ends the process with this signal, so that its parent sees what ended it.
    pub(super) fn end_process(self) {
        let signal = match self {
            Self::Interrupt => SIGINT,
            Self::Terminate => SIGTERM,
            Self::Hangup => SIGHUP,
        };
        // A failure could not be reported.
        let _ = emulate_default_handler(signal);
    }
}

/// Watches for signals until it is dropped.
#[derive(Debug)]
pub(super) struct Ending {
    waiting: Handle,
    told: UnboundedReceiver<Asked>,
    /// Whether a signal asks instead of ending the process.
    asks: Arc<AtomicBool>,
}

impl Ending {
    /// Calls `last` on a signal that ends the process, and then the signal ends it as usual. The
    /// first such signal after a call of [`asked`](Self::asked) is returned there instead. An
    /// ignored SIGHUP stays ignored.
    pub(super) fn watch(mut last: impl FnMut() + Send + 'static) -> Result<Self> {
        let mut wanted = vec![SIGINT, SIGTERM];
        if takes_hangup() {
            wanted.push(SIGHUP);
        }
        let has_terminal = has_terminal();
        let mut signals =
            Signals::new(&wanted).context("the signal handlers can't be installed")?;
        let waiting = signals.handle();
        let (tell, told) = unbounded_channel();
        let asks = Arc::new(AtomicBool::new(false));
        std::thread::Builder::new()
            .name("mynah-signals".to_owned())
            .spawn({
                let asks = Arc::clone(&asks);
                move || {
                    for signal in signals.forever() {
                        if signal == SIGHUP && !has_terminal {
                            // If the receiver is gone, the process ends.
                            let _ = tell.send(Asked::Reload);
                            continue;
                        }
                        let stop = Stop::new(signal);
                        let is_asked = asks.swap(false, Ordering::Relaxed);
                        if is_asked && tell.send(Asked::Stop(stop)).is_ok() {
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
            told,
            asks,
        })
    }

    /// Waits for the next signal, which does not end the process.
    pub(super) async fn asked(&mut self) -> Asked {
        self.asks.store(true, Ordering::Relaxed);
        match self.told.recv().await {
            Some(asked) => asked,
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

/// Whether SIGHUP is to be handled: it is known not to be ignored, as under `nohup`.
fn takes_hangup() -> bool {
    let status = fs::read_to_string("/proc/self/status");
    // Where there is no such file, the signal keeps its behaviour.
    status.is_ok_and(|status| is_ignored(&status, SIGHUP) == Some(false))
}

/// Whether a process ignores a signal, as `/proc/PID/status` says. `None` if it does not say.
fn is_ignored(status: &str, signal: i32) -> Option<bool> {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    let bit = u32::try_from(signal).ok()?.checked_sub(1)?;
    Some(mask.checked_shr(bit)? & 1 == 1)
}

/// Whether the process has a controlling terminal.
fn has_terminal() -> bool {
    fs::File::open("/dev/tty").is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_known_from_the_status_of_the_process() {
        let status = "Name:\tmynah\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000001001\n";
        assert_eq!(is_ignored(status, SIGHUP), Some(true));
        assert_eq!(is_ignored(status, SIGINT), Some(false));
        assert_eq!(is_ignored(status, 13), Some(true));
        assert_eq!(is_ignored("SigIgn:\tnone\n", SIGHUP), None);
        assert_eq!(is_ignored("", SIGHUP), None);
    }
}
