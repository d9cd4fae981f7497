//! The guests' stdout and stderr: those of the process, where messages of the host may have to end
//! a line first.

use std::io::{self, IsTerminal, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{self, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::output::guest_wrote;

/// An output of a guest.
#[derive(Debug, Clone, Copy)]
pub(super) enum GuestOutput {
    /// The stdout of the process.
    Stdout,
    /// Its stderr.
    Stderr,
}

impl GuestOutput {
    /// Does this with the output.
    fn with<T>(self, work: impl FnOnce(&mut dyn Write) -> T) -> T {
        match self {
            Self::Stdout => work(&mut io::stdout().lock()),
            Self::Stderr => work(&mut io::stderr().lock()),
        }
    }
}

impl cli::IsTerminal for GuestOutput {
    fn is_terminal(&self) -> bool {
        match self {
            Self::Stdout => IsTerminal::is_terminal(&io::stdout()),
            Self::Stderr => IsTerminal::is_terminal(&io::stderr()),
        }
    }
}

impl StdoutStream for GuestOutput {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(*self)
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(*self)
    }
}

fn failed(error: io::Error) -> StreamError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => StreamError::Closed,
        _ => StreamError::LastOperationFailed(error.into()),
    }
}

impl OutputStream for GuestOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.with(|to| to.write_all(&bytes)).map_err(failed)?;
        guest_wrote(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.with(|to| to.flush()).map_err(failed)
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        // As much as wasmtime's own stdout takes at once.
        Ok(64 << 10)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for GuestOutput {
    async fn ready(&mut self) {}
}

impl AsyncWrite for GuestOutput {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.with(|to| to.write(bytes));
        if let Ok(count) = written {
            guest_wrote(bytes.get(..count).unwrap_or_default());
        }
        Poll::Ready(written)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.with(|to| to.flush()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
