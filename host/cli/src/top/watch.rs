//! Polls the host's status on its own thread, so that a host that does not answer cannot block the
//! drawing.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::args::HostArgs;
use crate::control::{self, Host};
use crate::metrics::HostStatus;
use crate::status;

/// The polling thread, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    at: String,
    told: Receiver<Told>,
    // Dropping it ends the thread.
    _stop: Sender<()>,
}

/// The result of one poll.
#[derive(Debug)]
pub(super) enum Told {
    Status {
        at: String,
        status: Box<HostStatus>,
    },
    /// The error of the poll.
    Nothing(String),
}

impl Watch {
    /// Finds the host and starts polling it.
    ///
    /// # Errors
    ///
    /// No host was found, or several match.
    pub(super) fn start(args: HostArgs, every: Duration) -> Result<Self> {
        let runtime = control::runtime()?;
        let (first, at) = runtime.block_on(async {
            let host = Host::find(&args).await?;
            Ok::<_, anyhow::Error>((ask(&host).await?, host.at.to_string()))
        })?;
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = mpsc::channel();
        // Cannot fail: the receiver is still here.
        let _ = tell.send(Told::Status {
            at: at.clone(),
            status: Box::new(first),
        });
        std::thread::Builder::new()
            .name("mynah-ask".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                    // Looks for the host each time, because a restarted host has another socket.
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
            .context("the thread that polls the host can't be started")?;
        Ok(Self {
            at,
            told,
            _stop: stop,
        })
    }

    /// The address of the host.
    pub(super) fn at(&self) -> String {
        self.at.clone()
    }

    /// The next result since the last call.
    pub(super) fn next(&mut self) -> Option<Told> {
        self.told.try_recv().ok()
    }
}

async fn ask(host: &Host) -> Result<HostStatus> {
    status::read(&host.get("status").await?, &host.at)
}
