//! The room of a server for connections. When it is full, the connection leaves that has waited for
//! its peer for the longest time.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::{AbortHandle, JoinSet};

/// The open connections of a server. Dropping it closes them.
#[derive(Debug)]
pub(super) struct Room {
    size: usize,
    tasks: JoinSet<()>,
    inside: Vec<(AbortHandle, Turn)>,
    clock: Arc<AtomicU64>,
}

/// The place of a connection in the order in which connections are closed: the number of the last
/// request, or that of its beginning.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    last: Arc<AtomicU64>,
    clock: Arc<AtomicU64>,
}

impl Turn {
    /// Puts the connection at the end of the order: its peer has sent a request.
    pub(super) fn renew(&self) {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        self.last.store(now, Ordering::Relaxed);
    }
}

impl Room {
    pub(super) fn new(size: usize) -> Self {
        Self {
            size: size.max(1),
            tasks: JoinSet::new(),
            inside: Vec::new(),
            clock: Arc::default(),
        }
    }

    /// Makes room for one more connection. Returns whether another one was closed for it.
    pub(super) async fn make(&mut self) -> bool {
        self.sweep();
        let mut has_closed = false;
        while self.tasks.len() >= self.size {
            has_closed |= self.close_oldest().await;
        }
        has_closed
    }

    /// Closes the connection that has waited longest, and waits until its descriptor is free.
    pub(super) async fn close_oldest(&mut self) -> bool {
        self.sweep();
        let turn = |(_, turn): &&(AbortHandle, Turn)| turn.last.load(Ordering::Relaxed);
        let Some((oldest, _)) = self.inside.iter().min_by_key(turn) else {
            return false;
        };
        oldest.abort();
        // How a connection ended is of no interest, and neither is which of them it was.
        let _ = self.tasks.join_next().await;
        self.sweep();
        true
    }

    /// Takes a connection in. [`make`](Self::make) comes first.
    pub(super) fn enter<F>(&mut self, connection: impl FnOnce(Turn) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let turn = Turn {
            last: Arc::default(),
            clock: Arc::clone(&self.clock),
        };
        turn.renew();
        let task = self.tasks.spawn(connection(turn.clone()));
        self.inside.push((task, turn));
    }

    /// Forgets the connections that have ended.
    fn sweep(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        self.inside.retain(|(task, _)| !task.is_finished());
    }
}
