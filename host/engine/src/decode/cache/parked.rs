//! The states of parked sequences in host memory, and their total size.

use std::cell::Cell;
use std::rc::Rc;

use mynah_llama::SavedSequence;

/// Bytes of all states of parked sequences.
#[derive(Debug, Default)]
pub(super) struct ParkedBytes(Rc<Cell<u64>>);

impl ParkedBytes {
    /// Counts the size of a state as long as the state exists.
    pub(super) fn hold(&self, state: SavedSequence) -> ParkedState {
        self.0.set(self.0.get() + state.size());
        ParkedState {
            state,
            total: Rc::clone(&self.0),
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.0.get()
    }
}

/// The state of a parked sequence. Its memory is counted until this is dropped.
#[derive(Debug)]
pub(in crate::decode) struct ParkedState {
    state: SavedSequence,
    total: Rc<Cell<u64>>,
}

impl ParkedState {
    pub(super) fn state(&self) -> &SavedSequence {
        &self.state
    }
}

impl Drop for ParkedState {
    fn drop(&mut self) {
        self.total
            .set(self.total.get().saturating_sub(self.state.size()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_counted_until_it_is_dropped() {
        let bytes = ParkedBytes::default();
        let state = || SavedSequence::made_up(vec![1, 2, 3], 3, true);
        let (one, other) = (bytes.hold(state()), bytes.hold(state()));
        assert_eq!(bytes.total(), 2 * one.state().size());
        drop(other);
        assert_eq!(bytes.total(), one.state().size());
        drop(one);
        assert_eq!(bytes.total(), 0);
    }
}
