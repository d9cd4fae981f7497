//! The status of a model: its state, queue, memory and performance.

use crate::bindings::mynah::llm::backend_status;
pub use crate::bindings::mynah::llm::backend_status::{
    ByPriority, DiskStatus, Kind as StatusKind, MemoryStatus, MemoryUse, ModelState, ModelStatus,
    Percentiles, PerformanceStatus, PressureLevel, QueueStatus, Rate, SessionState, SessionStatus,
    SessionTotals, SessionsStatus,
};
use crate::{Error, Model, Result};

/// The status of a model. Figures that cover all components are `None` if the operator does not let
/// this component see them.
#[derive(Debug, Clone)]
pub struct Status {
    /// The model itself.
    pub model: ModelStatus,
    /// This component's sessions, and the number of all sessions.
    pub sessions: SessionsStatus,
    /// Requests that wait and run, and the counts of finished requests by result.
    pub queue: Option<QueueStatus>,
    /// KV cells, the prefix cache, and memory.
    pub memory: Option<MemoryStatus>,
    /// Speed and latency.
    pub performance: Option<PerformanceStatus>,
}

/// Turns the error for a figure that the operator hides into `None`.
fn allowed<T>(told: std::result::Result<T, backend_status::Error>) -> Result<Option<T>> {
    match told.map_err(Error::from) {
        Ok(told) => Ok(Some(told)),
        Err(Error::Unsupported(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Model {
    /// The model's status now. Reading it never waits for the model's work.
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

    /// One part of the status as JSON.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] if the operator does not let this component see it.
    pub fn status_json(&self, kind: StatusKind) -> Result<String> {
        Ok(backend_status::json(self.graph(), kind)?)
    }
}
