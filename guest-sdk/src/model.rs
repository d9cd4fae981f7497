//! A model that the host serves.

use std::rc::Rc;

use crate::bindings::wasi::nn::graph::{self, ExecutionTarget, Graph, GraphEncoding};
use crate::{Result, Session};

/// A model that the host serves. The host loads it once, however many components use it.
///
/// Dropping it releases this component's handle; sessions that it opened continue.
#[derive(Debug)]
pub struct Model {
    // Shared with the sessions, which need it to fork.
    graph: Rc<Graph>,
}

impl Model {
    pub(crate) fn new(graph: Graph) -> Self {
        Self {
            graph: Rc::new(graph),
        }
    }

    /// The model that the operator granted to this component under `name`, as in `mynah run --model
    /// NAME=PATH`.
    ///
    /// # Errors
    ///
    /// [`Error::Nn`](crate::Error::Nn) with [`NotFound`](crate::NnErrorCode::NotFound) if no such
    /// model is granted. The error does not reveal whether a model of that name exists.
    ///
    /// ```no_run
    /// # fn main() -> mynah_guest::Result<()> {
    /// let model = mynah_guest::Model::load("default")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn load(name: &str) -> Result<Self> {
        let graph = graph::load_by_name(name)?;
        Ok(Self::new(graph))
    }

    /// Loads a model of this component's own from the bytes of a GGUF file.
    ///
    /// Suitable for small models only: the bytes pass through the component's memory, which is at
    /// most 4 GiB. The operator can grant a larger model by name.
    ///
    /// # Errors
    ///
    /// [`Error::Nn`](crate::Error::Nn) with [`Security`](crate::NnErrorCode::Security) when the
    /// operator doesn't allow models from components, [`TooLarge`](crate::NnErrorCode::TooLarge)
    /// when it has more bytes than are allowed, and
    /// [`InvalidEncoding`](crate::NnErrorCode::InvalidEncoding) when it is not a GGUF model that
    /// the host can read.
    ///
    /// ```no_run
    /// # fn main() -> mynah_guest::Result<()> {
    /// let model = mynah_guest::Model::from_bytes(std::fs::read("/models/tiny.gguf")?)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_bytes(gguf: impl Into<Vec<u8>>) -> Result<Self> {
        let graph = graph::load(&[gguf.into()], GraphEncoding::Ggml, ExecutionTarget::Cpu)?;
        Ok(Self::new(graph))
    }

    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Opens a session with default [`Options`](crate::Options).
    ///
    /// # Errors
    ///
    /// [`Error::Nn`](crate::Error::Nn) with [`TooLarge`](crate::NnErrorCode::TooLarge) if this
    /// component has reached its limit of open sessions: drop one.
    pub fn session(&self) -> Result<Session> {
        Session::open(&self.graph)
    }
}
