//! The state that a model's handles and its worker share: waiting requests, sessions, and the
//! worker's counters and published status.

mod preparing;
mod queue;
mod sessions;
mod state;
mod status;

pub(crate) use queue::RequestQueue;
pub(crate) use state::QueueLimits;
pub(super) use state::SessionPosition;
