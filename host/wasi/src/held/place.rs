//! Counts the models that a guest has brought itself and that are in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Counts one of a guest's own models. Everything that keeps the model in memory shares it; the
/// model no longer counts once the last copy is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicU32>);

impl Place {
    /// Counts one more model, if there are fewer than `most`.
    pub(crate) fn take(taken: &Arc<AtomicU32>, most: u32) -> Option<Self> {
        let next = |count: u32| (count < most).then_some(count + 1);
        taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .ok()
            .map(|_| Self(Arc::clone(taken)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_the_last_that_needs_it_is_gone() {
        let taken = Arc::default();
        let graph = Arc::new(Place::take(&taken, 1).unwrap());
        let context = Arc::clone(&graph);
        drop(graph);
        assert!(Place::take(&taken, 1).is_none());
        drop(context);
        assert!(Place::take(&taken, 1).is_some());
    }
}
