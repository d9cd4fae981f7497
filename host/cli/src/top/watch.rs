//! Asking the host again and again, on a thread of its own: a host that doesn't answer must not
//! stop the drawing.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::args::HostArgs;
use crate::control::{self, Host};
use crate::metrics::HostStatus;
use crate::status;

/// Asks while it lives.
#[derive(Debug)]
pub(super) struct Watch {
    at: String,
    told: Receiver<Told>,
    // Dropping it ends the thread.
    _stop: Sender<()>,
}

/// What came of a question.
#[derive(Debug)]
pub(super) enum Told {
    Status {
        at: String,
        status: Box<HostStatus>,
    },
    /// Why there is none.
    Nothing(String),
}

impl Watch {
    /// Finds the host and begins to ask it.
    ///
    /// # Errors
    ///
    /// No host, or several that may be meant.
    pub(super) fn start(args: HostArgs, every: Duration) -> Result<Self> {
        let runtime = control::runtime()?;
        let (first, at) = runtime.block_on(async {
            let host = Host::find(&args).await?;
            Ok::<_, anyhow::Error>((ask(&host).await?, host.at.to_string()))
        })?;
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = mpsc::channel();
        // The other end is ours still.
        let _ = tell.send(Told::Status {
            at: at.clone(),
            status: Box::new(first),
        });
        std::thread::Builder::new()
            .name("mynah-ask".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                    // Found anew each time: a host that was started again has another socket.
                    let told = runtime.block_on(async {
                        let host = Host::find(&args).await?;
                        Ok::<_, anyhow::Error>((ask(&host).await?, host.at.to_string()))
                    });
                    let told = match told {
                        Ok((status, at)) => Told::Status {
                            at,
                            status: Box::new(status),
                        },
                        Err(error) => Told::Nothing(format!("{error:#}")),
                    };
                    if tell.send(told).is_err() {
                        return;
                    }
                }
            })
            .context("no thread to ask the host")?;
        Ok(Self {
            at,
            told,
            _stop: stop,
        })
    }

    /// Where the host was found.
    pub(super) fn at(&self) -> String {
        self.at.clone()
    }

    /// What came since the last call, one by one.
    pub(super) fn next(&mut self) -> Option<Told> {
        self.told.try_recv().ok()
    }
}

async fn ask(host: &Host) -> Result<HostStatus> {
    status::read(&host.get("status").await?, &host.at)
}
