//! The state that a model's handles and its worker share: waiting requests, sessions, and the
//! worker's counters and published status.

mod queue;
mod sessions;
mod state;
mod status;

pub(crate) use queue::RequestQueue;
pub(super) use state::SessionPosition;
