//! The HTTP server of every address and socket that the host listens on. Bounds what peers can
//! take: connections, sizes and times. What is served is the caller's business.

mod connection;
mod room;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::JoinHandle;

use room::Room;

/// What the peers of one server can take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Maximum number of open connections. A further one is accepted, and the server closes the one
    /// whose peer has sent nothing for the longest time.
    pub(crate) connections: usize,
    /// Time for a whole request head, also for the next one of a connection that is kept open.
    pub(crate) head: Duration,
    /// Time from the head of a request to its answer, with the request's body.
    pub(crate) answer: Duration,
    /// Time for which a peer may take nothing of an answer.
    pub(crate) stall: Duration,
    /// Time for which a connection is open at most.
    pub(crate) age: Duration,
    /// Maximum size of a request's head in bytes.
    pub(crate) head_bytes: usize,
    /// Maximum number of a request's header fields.
    pub(crate) head_fields: usize,
    /// Maximum size of a request's body in bytes.
    pub(crate) body_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 16,
            head: Duration::from_secs(5),
            answer: Duration::from_secs(10),
            stall: Duration::from_secs(5),
            age: Duration::from_secs(60),
            head_bytes: 16 << 10,
            head_fields: 64,
            body_bytes: 64 << 10,
        }
    }
}

/// Time to wait after a connection could not be accepted, such as for want of file descriptors.
const RETRY: Duration = Duration::from_millis(100);

/// Time between two log lines about the same trouble.
const QUIET: Duration = Duration::from_secs(60);

/// Where connections come from.
pub(crate) trait Listener: Send + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<TcpStream> {
        Self::accept(self).await.map(|(stream, _)| stream)
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<UnixStream> {
        Self::accept(self).await.map(|(stream, _)| stream)
    }
}

/// A server that runs. Dropping it closes its listener and all connections.
#[derive(Debug)]
pub(crate) struct Server {
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves a router. `name` is what the log calls the server.
pub(crate) fn serve(
    name: &'static str,
    listener: impl Listener,
    router: Router,
    bounds: Bounds,
) -> Server {
    let router = router.layer(DefaultBodyLimit::max(bounds.body_bytes));
    let task = tokio::spawn(accept_all(name, listener, router, bounds));
    Server { task }
}

async fn accept_all(name: &'static str, listener: impl Listener, router: Router, bounds: Bounds) {
    let mut room = Room::new(bounds.connections);
    let (mut full, mut failing) = (Occasion::default(), Occasion::default());
    loop {
        match listener.accept().await {
            Ok(stream) => {
                if room.make().await
                    && let Some(closed) = full.happened()
                {
                    tracing::warn!(
                        server = name,
                        connections = bounds.connections,
                        closed,
                        "too many connections: those that waited longest for their peer are closed"
                    );
                }
                room.enter(|turn| connection::serve(stream, router.clone(), bounds, turn));
            }
            // The peer left before its turn.
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                if let Some(failures) = failing.happened() {
                    tracing::warn!(server = name, %error, failures, "no connection is accepted");
                }
                room.close_oldest().await;
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Whether an error of `accept` is about one peer, and the next connection can be accepted at once.
fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// Something that happens often and is logged at most once per [`QUIET`].
#[derive(Debug, Default)]
struct Occasion {
    count: u64,
    logged_at: Option<Instant>,
}

impl Occasion {
    /// Counts one. Returns the count so far if it is to be logged.
    fn happened(&mut self) -> Option<u64> {
        self.count += 1;
        if self.logged_at.is_some_and(|at| at.elapsed() < QUIET) {
            return None;
        }
        self.logged_at = Some(Instant::now());
        Some(self.count)
    }
}
