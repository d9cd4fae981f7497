//! What a model is doing, as its worker last published it. Reading it never waits for the worker's work.

/// What a model is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Status {
    /// Requests that wait.
    pub queued: usize,
    /// Generations that hold a sequence.
    pub running: usize,
    /// Tokens that are in KV cells.
    pub cells_used: u64,
    /// Decode steps since the model was loaded, aborted ones included.
    pub steps: u64,
    /// Of these, steps that were aborted because everybody in them was cancelled.
    pub aborted_steps: u64,
}
