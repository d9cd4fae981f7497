//! What a model is doing.

use crate::bindings::mynah::llm::backend_status;
pub use crate::bindings::mynah::llm::backend_status::{
    ByPriority, DiskStatus, Kind as StatusKind, MemoryStatus, MemoryUse, ModelState, ModelStatus,
    Percentiles, PerformanceStatus, PressureLevel, QueueStatus, Rate, SessionState, SessionStatus,
    SessionTotals, SessionsStatus,
};
use crate::{Error, Model, Result};

/// What a model is doing. What counts what all guests do is `None` where the operator doesn't let
/// this component see it.
#[derive(Debug, Clone)]
pub struct Status {
    /// What it is.
    pub model: ModelStatus,
    /// This component's sessions, and the number of all.
    pub sessions: SessionsStatus,
    /// What waits and runs, and what became of all requests.
    pub queue: Option<QueueStatus>,
    /// KV cells, what is remembered, and memory.
    pub memory: Option<MemoryStatus>,
    /// How fast it is.
    pub performance: Option<PerformanceStatus>,
}

/// A figure that may not be seen is none.
fn allowed<T>(told: std::result::Result<T, backend_status::Error>) -> Result<Option<T>> {
    match told.map_err(Error::from) {
        Ok(told) => Ok(Some(told)),
        Err(Error::Unsupported(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Model {
    /// What the model is doing now. Reading it never waits for the model's work.
    ///
    /// ```no_run
    /// # fn main() -> mynah_guest::Result<()> {
    /// let status = mynah_guest::Model::load("default")?.status()?;
    /// println!("{} by {}", status.model.quantisation, status.model.architecture);
    /// if let Some(queue) = status.queue {
    ///     println!("{} of {} wait", queue.length, queue.capacity);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// None today but those of a host that can't answer.
    pub fn status(&self) -> Result<Status> {
        let graph = self.graph();
        Ok(Status {
            model: backend_status::model(graph)?,
            sessions: backend_status::sessions(graph)?,
            queue: allowed(backend_status::queue(graph))?,
            memory: allowed(backend_status::memory(graph))?,
            performance: allowed(backend_status::performance(graph))?,
        })
    }

    /// One kind of it as JSON.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] where the operator doesn't let this component see it.
    pub fn status_json(&self, kind: StatusKind) -> Result<String> {
        Ok(backend_status::json(self.graph(), kind)?)
    }
}
