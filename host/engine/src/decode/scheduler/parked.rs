//! A parked generation.

use std::time::Instant;

use crate::decode::cache::ParkedState;
use crate::decode::sequence::Sequence;

/// A generation without a sequence of the context. It is resumed by itself.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) sequence: Sequence,
    /// `None`: there was no room for it in host memory, and it is computed again.
    pub(super) state: Option<ParkedState>,
    pub(super) since: Instant,
}
