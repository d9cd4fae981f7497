//! What core modules hold: graphs, and execution contexts with their answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use mynah_core::{About, FinishReason, Generation, Outcome, Session};
use mynah_settings::Settings;

use super::handles::Handles;
use super::place::Place;
use super::resources::Graph;
use super::stdout::Stdout;

/// What core modules hold, and the grants that only they have.
#[derive(Debug, Default)]
pub(crate) struct CoreModules {
    pub(crate) graphs: Handles<CoreGraph>,
    pub(crate) contexts: Handles<Context>,
    /// Number of failures that were logged as warnings.
    pub(crate) warned: u32,
    /// The stream for the setting `stream-stdout`.
    pub(crate) stdout: Option<Stdout>,
    /// Whether a buffer of length 0 is treated as being as long as the answer.
    pub(crate) lenient_output_size: bool,
}

/// A loaded model, with the default settings of its contexts.
#[derive(Debug)]
pub(crate) struct CoreGraph {
    pub(crate) graph: Graph,
    /// The name under which it was loaded.
    pub(crate) name: Option<String>,
    pub(crate) stream_stdout: bool,
    // Keys without effect that were reported, so that each is reported once.
    pub(crate) reported: BTreeSet<String>,
}

/// An execution context. Its answer can be read even after its graph is unloaded.
#[derive(Debug)]
pub(crate) struct Context {
    /// The handle of its graph.
    pub(crate) graph: u32,
    /// `None` once the graph is unloaded: the context can no longer compute.
    pub(crate) live: Option<Live>,
    /// Whether settings were refused that the context needs. The next accepted settings reset it.
    pub(crate) is_invalid: bool,
    pub(crate) answer: Answer,
    /// What its model is, which it can be asked for after the graph was unloaded.
    pub(crate) about: Arc<About>,
}

/// The parts of a context for computing.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) session: Session,
    /// The settings so far: those of the graph, merged with those sent to the context.
    pub(crate) settings: Settings,
    pub(crate) stream_stdout: bool,
    pub(crate) prompt: Option<String>,
    pub(crate) stream: Option<Stream>,
    // Counts the guest's own model while it is in memory.
    pub(crate) _guest_model: Option<Arc<Place>>,
}

/// A generation that is read piece by piece.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) generation: Generation,
    /// How it ended, once it has.
    pub(crate) ended: Option<FinishReason>,
    /// Whether an error ended it and was reported.
    pub(crate) is_broken: bool,
}

/// The answer of a context.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The whole text.
    pub(crate) text: String,
    /// The last piece.
    pub(crate) piece: String,
    pub(crate) input_tokens: u32,
    pub(crate) output_tokens: u32,
    /// How it ended, once it has.
    pub(crate) outcome: Option<Outcome>,
}
