//! Asking a running host: over its socket, or at the address of its figures.

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

/// Time that a host may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes of an answer. A model's status takes some thousand.
const MAX_ANSWER: usize = 16 << 20;

/// A running host, as it can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) at: HostAddress,
    /// Nobody said where it is.
    is_guess: bool,
}

/// What is done with a path.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Method<'a> {
    Get,
    Put(&'a str),
}

/// What a host answered.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
}

/// What a question runs on: one is asked at a time.
pub(crate) fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime")
}

impl Host {
    /// The host that is meant: at the address, or of the process, or the only one that runs; else
    /// whoever serves figures where they usually are.
    ///
    /// # Errors
    ///
    /// No such process, or several hosts run: they are listed.
    pub(crate) async fn find(args: &HostArgs) -> Result<Self> {
        if let Some(at) = &args.address {
            return Ok(Self::at(at.clone()));
        }
        #[cfg(unix)]
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

    /// Asks for a path, and waits for the whole answer.
    ///
    /// # Errors
    ///
    /// Nobody who answers, or not in time.
    pub(crate) async fn ask(&self, path: &str, method: Method<'_>) -> Result<Asked> {
        let answer = async {
            match &self.at {
                HostAddress::Http(address) => {
                    let stream = TcpStream::connect(address).await;
                    exchange(stream.with_context(|| self.nobody())?, path, method).await
                }
                #[cfg(unix)]
                HostAddress::Socket(socket) => {
                    let stream = tokio::net::UnixStream::connect(socket).await;
                    exchange(stream.with_context(|| self.nobody())?, path, method).await
                }
                #[cfg(not(unix))]
                HostAddress::Socket(_) => bail!(
                    "hosts have no sockets on this system: give an address such as 127.0.0.1:9464"
                ),
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

    /// Asks for a path that the host must have.
    ///
    /// # Errors
    ///
    /// As [`ask`](Self::ask)'s, and an answer that is an error.
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
                "no host of this user runs with a socket, and none tells its status at {address}: start one with `mynah run`"
            ),
            (HostAddress::Http(address), false) => format!(
                "no host tells its status at {address}: start one with `mynah run --metrics {address}`"
            ),
            (HostAddress::Socket(path), _) => format!(
                "no host listens at {}: give an address such as 127.0.0.1:9464, or the socket of a host that runs",
                path.display()
            ),
        }
    }
}

/// One question and its answer.
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
        .context("whoever listens there breaks off")?;
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(question).await;
    let answer = answer.context("whoever listens there is no host")?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
    driver.abort();
    let body = body
        .map_err(|error| anyhow::anyhow!("the host broke off its answer: {error}"))?
        .to_bytes();
    let text = String::from_utf8(body.to_vec()).context("the answer is no text")?;
    Ok(Asked { status, text })
}

/// Hosts by their sockets.
#[cfg(unix)]
mod sockets {
    use super::*;
    use crate::control::folder;
    use crate::metrics::HostStatus;

    /// The host of a process, or the only one there is.
    pub(super) async fn find(pid: Option<u32>) -> Result<Option<Host>> {
        let Some(folder) = folder::folder() else {
            return Ok(None);
        };
        let sockets = folder::sockets(&folder)
            .with_context(|| format!("{} can't be looked through", folder.display()))?;
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

    /// What there is to say of a host in a list.
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
