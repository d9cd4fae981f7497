//! Finds what a core module holds by its handle, and reports settings without effect.

use std::collections::BTreeSet;

use super::document::{Document, Ignored};
use super::errno::Failure;
use crate::Graph;
use crate::held::{Answer, Context, CoreGraph, CoreModules, Live};

/// Maximum number of reported keys that a graph remembers, because the guest chooses how many it
/// sends.
const MAX_REPORTED: usize = 256;

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

impl CoreModules {
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
