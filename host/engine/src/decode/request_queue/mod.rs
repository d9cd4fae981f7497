//! What a model's handles and its worker share: the requests that wait, the sessions, and what the
//! worker has counted and published.

mod queue;
mod sessions;
mod state;
mod status;

pub(crate) use queue::RequestQueue;
pub(super) use state::SessionPosition;
