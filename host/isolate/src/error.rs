//! Why models can't have processes of their own.

/// Why models can't have processes of their own here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IsolateError {
    /// The program did not call [`enter`](crate::enter).
    #[error(
        "models of guests can't have a process of their own: this program doesn't call \
         `mynah_isolate::enter` first thing in `main`. Call it, or load them in this process"
    )]
    NotEntered,
    /// The system is not Linux.
    #[error(
        "models of guests can't have a process of their own: that needs Linux. Load them in this \
         process"
    )]
    NotHere,
    /// A process could not be started, or did not answer.
    #[error("no process for a model of a guest: {0}")]
    NoProcess(String),
}
