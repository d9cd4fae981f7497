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
use crate::Graph;
use crate::held::Place;

/// Maximum number of reported keys that a graph remembers, because the guest chooses how many it
/// sends.
const MAX_REPORTED: usize = 256;

/// What a core module holds.
#[derive(Debug, Default)]
pub(crate) struct Core {
    pub(super) graphs: Handles<CoreGraph>,
    pub(super) contexts: Handles<Context>,
    /// Number of failures that were logged as warnings.
    pub(super) warned: u32,
}

/// A loaded model, with the default settings of its contexts.
#[derive(Debug)]
pub(super) struct CoreGraph {
    pub(super) graph: Graph,
    /// The name under which it was loaded.
    pub(super) name: Option<String>,
    pub(super) stream_stdout: bool,
    // Keys without effect that were reported, so that each is reported once.
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

    /// Reports each key without effect once, to the log and the status.
    pub(super) fn report(&mut self, ignored: &[Ignored]) {
        for Ignored { key, hint } in ignored {
            if self.reported.len() >= MAX_REPORTED || !self.reported.insert(key.clone()) {
                continue;
            }
            tracing::warn!(key, hint, "a setting of a core module has no effect");
            self.graph.model.note_ignored_key(key, hint);
        }
    }
}

/// An execution context. Its answer can be read even after its graph is unloaded.
#[derive(Debug)]
pub(super) struct Context {
    /// The handle of its graph.
    pub(super) graph: u32,
    /// `None` once the graph is unloaded: the context can no longer compute.
    pub(super) live: Option<Live>,
    /// Whether settings were refused that the context needs. The next accepted settings reset it.
    pub(super) is_invalid: bool,
    pub(super) answer: Answer,
    /// What its model is, which it can be asked for after the graph was unloaded.
    pub(super) about: Arc<About>,
}

/// The parts of a context for computing.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) session: Session,
    /// The settings so far: those of the graph, merged with those sent to the context.
    pub(super) settings: Settings,
    pub(super) stream_stdout: bool,
    pub(super) prompt: Option<String>,
    pub(super) stream: Option<Stream>,
    // Counts the guest's own model while it is in memory.
    pub(super) _guest_model: Option<Arc<Place>>,
}

/// A generation that is read piece by piece.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) generation: Generation,
    /// How it ended, once it has.
    pub(super) ended: Option<FinishReason>,
    /// Whether an error ended it and was reported.
    pub(super) is_broken: bool,
}

/// The answer of a context.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The whole text.
    pub(super) text: String,
    /// The last piece.
    pub(super) piece: String,
    pub(super) input_tokens: u32,
    pub(super) output_tokens: u32,
    /// How it ended, once it has.
    pub(super) outcome: Option<Outcome>,
}

impl Answer {
    /// Discards the answer and keeps the prompt's token count.
    pub(super) fn begin(&mut self) {
        *self = Self {
            input_tokens: self.input_tokens,
            ..Self::default()
        };
    }
}

impl Context {
    /// The parts for computing, if the context is usable: its graph is loaded and its settings are
    /// valid.
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

/// The error for a context whose graph was unloaded.
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

/// The destination of a guest's stdout.
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

/// A writer to a guest's stdout.
pub(super) struct Writer(Pin<Box<dyn AsyncWrite + Send + Sync>>);

impl Writer {
    /// Writes a piece and flushes it.
    pub(super) async fn write(&mut self, text: &str) -> io::Result<()> {
        self.0.write_all(text.as_bytes()).await?;
        self.0.flush().await
    }
}
