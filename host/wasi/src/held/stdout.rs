//! The stdout of a core module, to which text is written while it is generated.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use wasmtime_wasi::cli::StdoutStream;

/// The destination of a guest's stdout.
#[derive(Clone)]
pub(crate) struct Stdout(Arc<dyn StdoutStream + Sync>);

impl Stdout {
    pub(crate) fn new(stream: impl StdoutStream + Sync + 'static) -> Self {
        Self(Arc::new(stream))
    }

    pub(crate) fn writer(&self) -> Writer {
        Writer(Box::into_pin(self.0.async_stream()))
    }
}

impl fmt::Debug for Stdout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdout").finish_non_exhaustive()
    }
}

/// A writer to a guest's stdout.
pub(crate) struct Writer(Pin<Box<dyn AsyncWrite + Send + Sync>>);

impl Writer {
    /// Writes a piece and flushes it.
    pub(crate) async fn write(&mut self, text: &str) -> io::Result<()> {
        self.0.write_all(text.as_bytes()).await?;
        self.0.flush().await
    }
}
