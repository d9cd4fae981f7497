//! One consistent look at a model: what it is, what it does, and whether it is in memory.

use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::counters::Status;
use crate::About;

/// The state of a model.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The model and what its backend can do with it.
    pub about: Arc<About>,
    /// Counters and states.
    pub status: Status,
    /// Whether it is in memory, and since when.
    pub presence: Presence,
}

/// Whether a model is in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelState {
    /// It is in memory.
    Loaded,
    /// It is being loaded or unloaded.
    Loading,
    /// It was unloaded because it was unused. The next request loads it.
    Unloaded,
}

/// Whether a model is in memory, since when, and until when.
#[derive(Debug, Clone, Copy)]
pub struct Presence {
    /// The state.
    pub state: ModelState,
    /// Time of its loading.
    pub loaded_since: Option<Instant>,
    /// Time until which it stays if it is not used. `None`: it stays, or is in use.
    pub kept_until: Option<Instant>,
}
