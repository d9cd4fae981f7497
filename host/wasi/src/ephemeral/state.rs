//! What a core module holds: graphs, and execution contexts with their answers.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use mynah_core::{About, FinishReason, Generation, Outcome, Session};
use mynah_settings::Settings;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use wasmtime_wasi::cli::StdoutStream;

use super::document::{Document, Ignored};
use super::errno::Failure;
use super::handles::Handles;
use crate::nn::{Graph, Place};

/// Keys of a graph that are remembered as reported; its guest chooses how many it sends.
const MAX_REPORTED: usize = 256;

/// What a core module holds.
#[derive(Debug, Default)]
pub(crate) struct Core {
    pub(super) graphs: Handles<CoreGraph>,
    pub(super) contexts: Handles<Context>,
    /// Failures that were logged as warnings.
    pub(super) warned: u32,
}

/// A loaded model, with the settings of contexts that are made of it.
#[derive(Debug)]
pub(super) struct CoreGraph {
    pub(super) graph: Graph,
    /// The name that it was loaded by.
    pub(super) name: Option<String>,
    pub(super) stream_stdout: bool,
    // Keys that were reported to set nothing: each once.
    reported: BTreeSet<String>,
}

impl CoreGraph {
    pub(super) fn new(graph: Graph, name: Option<String>, document: &Document) -> Self {
        let mut graph = Self {
            graph,
            name,
            stream_stdout: document.stream_stdout == Some(true),
            reported: BTreeSet::new(),
        };
        graph.report(&document.ignored);
        graph
    }

    /// Tells the log and the status which keys set nothing, each once.
    pub(super) fn report(&mut self, ignored: &[Ignored]) {
        for Ignored { key, hint } in ignored {
            if self.reported.len() >= MAX_REPORTED || !self.reported.insert(key.clone()) {
                continue;
            }
            tracing::warn!(key, hint, "a setting of a core module sets nothing");
            self.graph.model.note_ignored_key(key, hint);
        }
    }
}

/// An execution context. It outlives its graph, as far as what it has answered can be read.
#[derive(Debug)]
pub(super) struct Context {
    /// The graph that it was made of.
    pub(super) graph: u32,
    /// `None` when the graph was unloaded: then it computes no more.
    pub(super) live: Option<Live>,
    /// Settings were refused that it can't do without; the next ones that are taken end that.
    pub(super) is_invalid: bool,
    pub(super) answer: Answer,
    /// What its model is, which it can be asked for after the graph was unloaded.
    pub(super) about: Arc<About>,
}

/// What a context computes with.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) session: Session,
    /// What was set so far: the graph's settings, and what the guest sent to the context itself.
    pub(super) settings: Settings,
    pub(super) stream_stdout: bool,
    pub(super) prompt: Option<String>,
    pub(super) stream: Option<Stream>,
    // Keeps the place of a guest's own model while its model is in memory.
    pub(super) _guest_model: Option<Arc<Place>>,
}

/// A generation that is read piece by piece.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) generation: Generation,
    /// How it ended, once it has.
    pub(super) ended: Option<FinishReason>,
    /// Something broke it, and was told.
    pub(super) is_broken: bool,
}

/// What a context has answered.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// All text.
    pub(super) text: String,
    /// The piece that was read last.
    pub(super) piece: String,
    pub(super) input_tokens: u32,
    pub(super) output_tokens: u32,
    /// How it ended, once it has.
    pub(super) outcome: Option<Outcome>,
}

impl Answer {
    /// Forgets what was made; the prompt is as it was.
    pub(super) fn begin(&mut self) {
        *self = Self {
            input_tokens: self.input_tokens,
            ..Self::default()
        };
    }
}

impl Context {
    /// What it computes with, if it may: its graph is there, and its settings are good.
    pub(super) fn ready(&mut self) -> Result<(&mut Live, &mut Answer), Failure> {
        if self.is_invalid {
            return Err(Failure::invalid(
                "the context's settings were refused: set good ones (index 1) before it computes \
                 again",
            ));
        }
        let Some(live) = &mut self.live else {
            return Err(unloaded());
        };
        Ok((live, &mut self.answer))
    }
}

/// A context that was asked for more than it can give.
pub(super) fn unloaded() -> Failure {
    Failure::invalid(
        "the context's graph was unloaded: read what is there, finalize it, and make another of a \
         graph that is loaded",
    )
}

impl Core {
    pub(super) fn context(&self, handle: u32) -> Result<&Context, Failure> {
        self.contexts
            .get(handle)
            .ok_or_else(|| self.no_context(handle))
    }

    pub(super) fn context_mut(&mut self, handle: u32) -> Result<&mut Context, Failure> {
        if self.contexts.get(handle).is_none() {
            return Err(self.no_context(handle));
        }
        self.contexts.get_mut(handle).ok_or_else(unloaded)
    }

    pub(super) fn no_context(&self, handle: u32) -> Failure {
        Failure::invalid(format!(
            "there is no context {handle}, {} are held: give one that `init_execution_context` \
             made and that isn't finalized",
            self.contexts.len()
        ))
    }

    pub(super) fn no_graph(&self, handle: u32) -> Failure {
        Failure::invalid(format!(
            "there is no graph {handle}, {} are held: give one that was loaded and isn't unloaded",
            self.graphs.len()
        ))
    }
}

/// Where a guest's stdout goes.
pub(crate) struct Stdout(Box<dyn StdoutStream + Sync>);

impl Stdout {
    pub(crate) fn new(stream: impl StdoutStream + Sync + 'static) -> Self {
        Self(Box::new(stream))
    }

    pub(super) fn writer(&self) -> Writer {
        Writer(Box::into_pin(self.0.async_stream()))
    }
}

impl fmt::Debug for Stdout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdout").finish_non_exhaustive()
    }
}

/// Writes text to a guest's stdout.
pub(super) struct Writer(Pin<Box<dyn AsyncWrite + Send + Sync>>);

impl Writer {
    /// Writes a piece, at once.
    pub(super) async fn write(&mut self, text: &str) -> io::Result<()> {
        self.0.write_all(text.as_bytes()).await?;
        self.0.flush().await
    }
}
