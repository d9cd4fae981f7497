//! The client of a running host: sends requests to its socket, or to the address of its metrics.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::args::{DEFAULT_METRICS, HostAddress, HostArgs};

/// Time limit for the host's answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Maximum size of an answer in bytes. A model's status takes a few thousand bytes.
const MAX_ANSWER: usize = 16 << 20;

/// The address of a running host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) at: HostAddress,
    /// Whether the user gave no address and the default is tried.
    is_guess: bool,
}

/// The method of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Method<'a> {
    Get,
    Put(&'a str),
}

/// A host's answer.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
}

/// A runtime for one request at a time.
pub(crate) fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime can't be started")
}

impl Host {
    /// Finds the host: the one at the given address, the one with the given process id, or the only
    /// running one. Without any of these it is the default metrics address.
    ///
    /// # Errors
    ///
    /// No host has this process id, or several hosts run; the error lists them.
    pub(crate) async fn find(args: &HostArgs) -> Result<Self> {
        if let Some(at) = &args.address {
            return Ok(Self::at(at.clone()));
        }
        if let Some(found) = sockets::find(args.pid).await? {
            return Ok(found);
        }
        if let Some(pid) = args.pid {
            bail!("no host of this user runs as process {pid}");
        }
        Ok(Self {
            at: HostAddress::Http(DEFAULT_METRICS),
            is_guess: true,
        })
    }

    fn at(at: HostAddress) -> Self {
        Self {
            at,
            is_guess: false,
        }
    }

    /// Sends a request and waits for the whole answer.
    ///
    /// # Errors
    ///
    /// Nothing answers, or not within the time limit.
    pub(crate) async fn ask(&self, path: &str, method: Method<'_>) -> Result<Asked> {
        let answer = async {
            match &self.at {
                HostAddress::Http(address) => {
                    let stream = TcpStream::connect(address).await;
                    exchange(stream.with_context(|| self.nobody())?, path, method).await
                }
                HostAddress::Socket(socket) => {
                    let stream = tokio::net::UnixStream::connect(socket).await;
                    exchange(stream.with_context(|| self.nobody())?, path, method).await
                }
            }
        };
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(answer) => answer,
            Err(_) => bail!(
                "the host at {} did not answer within {} seconds",
                self.at,
                PATIENCE.as_secs()
            ),
        }
    }

    /// Gets a path, and treats an error status as an error.
    ///
    /// # Errors
    ///
    /// As [`ask`](Self::ask), and any status that is not a success.
    pub(crate) async fn get(&self, path: &str) -> Result<String> {
        let Asked { status, text } = self.ask(path, Method::Get).await?;
        if !status.is_success() {
            bail!("the host at {} answers {status}: {}", self.at, text.trim());
        }
        Ok(text)
    }

    fn nobody(&self) -> String {
        match (&self.at, self.is_guess) {
            (HostAddress::Http(address), true) => format!(
                "no host of this user runs with a socket, and no host serves its status at \
                 {address}: start one with `mynah run`"
            ),
            (HostAddress::Http(address), false) => format!(
                "no host serves its status at {address}: start one with `mynah run --metrics \
                 {address}`"
            ),
            (HostAddress::Socket(path), _) => format!(
                "no host listens at {}: give an address such as 127.0.0.1:9464, or the socket of a \
                 host that runs",
                path.display()
            ),
        }
    }
}

/// Sends one request and reads its answer.
async fn exchange<S>(stream: S, path: &str, method: Method<'_>) -> Result<Asked>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (method, body) = match method {
        Method::Get => ("GET", ""),
        Method::Put(body) => ("PUT", body),
    };
    let question = Request::builder()
        .method(method)
        .uri(format!("/{path}"))
        .header(HOST, "localhost")
        .body(Full::new(Bytes::from(body.to_owned())))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .context("the process that listens there closed the connection")?;
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(question).await;
    let answer = answer.context("the process that listens there is not a Mynah host")?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
    driver.abort();
    let body = body
        .map_err(|error| anyhow::anyhow!("the host's answer broke off: {error}"))?
        .to_bytes();
    let text = String::from_utf8(body.to_vec()).context("the answer is not text")?;
    Ok(Asked { status, text })
}

/// Finds hosts by their sockets.
mod sockets {
    use super::*;
    use crate::control::folder;
    use crate::metrics::HostStatus;

    /// The host with this process id, or the only running one.
    pub(super) async fn find(pid: Option<u32>) -> Result<Option<Host>> {
        let Some(folder) = folder::folder() else {
            return Ok(None);
        };
        let sockets = folder::sockets(&folder)
            .with_context(|| format!("{} can't be read", folder.display()))?;
        if let Some(pid) = pid {
            let wanted = folder::socket_of(&folder, pid);
            let is_there = sockets.contains(&wanted);
            return Ok(is_there.then(|| Host::at(HostAddress::Socket(wanted))));
        }
        if let [_, _, ..] = sockets.as_slice() {
            let mut told = Vec::new();
            for socket in sockets {
                told.push(about(socket).await);
            }
            bail!(
                "several hosts run: choose one with --pid or its socket: {}",
                told.join("; ")
            );
        }
        let only = sockets.into_iter().next();
        Ok(only.map(|path| Host::at(HostAddress::Socket(path))))
    }

    /// A host's entry in the list of running hosts.
    async fn about(socket: PathBuf) -> String {
        let shown = socket.display().to_string();
        let host = Host::at(HostAddress::Socket(socket));
        let told = host.get("status").await.and_then(|told| {
            let status: HostStatus = serde_json::from_str(&told)?;
            Ok(status)
        });
        match told {
            Ok(status) => {
                let models: Vec<&str> = status.models.keys().map(String::as_str).collect();
                format!(
                    "{} runs {} with {} ({shown})",
                    status.pid,
                    status.component,
                    models.join(", ")
                )
            }
            Err(_) => format!("one that doesn't answer ({shown})"),
        }
    }
}
