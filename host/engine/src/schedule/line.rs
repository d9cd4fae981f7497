//! The waiting line of one model: first come, first served, and bounded.

use std::collections::VecDeque;

/// The waiting line of one model.
#[derive(Debug)]
pub(crate) struct Line<T> {
    waiting: VecDeque<T>,
    capacity: usize,
}

/// The line is full; it holds this many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full(pub(crate) usize);

impl<T> Line<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            capacity,
        }
    }

    /// Puts a request at the end.
    ///
    /// # Errors
    ///
    /// [`Full`] when as many wait as may.
    pub(crate) fn push(&mut self, request: T) -> Result<(), Full> {
        if self.waiting.len() >= self.capacity {
            return Err(Full(self.waiting.len()));
        }
        self.waiting.push_back(request);
        Ok(())
    }

    /// Takes the request that has waited longest.
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.waiting.pop_front()
    }

    /// The request that has waited longest.
    pub(crate) fn first(&self) -> Option<&T> {
        self.waiting.front()
    }

    /// Takes out all requests that `gone` says yes to, in order.
    pub(crate) fn take_out(&mut self, gone: impl Fn(&T) -> bool) -> Vec<T> {
        if !self.waiting.iter().any(&gone) {
            return Vec::new();
        }
        let (taken, kept) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<VecDeque<T>, _>(gone);
        self.waiting = kept;
        taken.into()
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_is_lost_doubled_or_overtaken(
            capacity in 1usize..8,
            steps in prop::collection::vec(0u8..3, 0..64),
        ) {
            let mut line = Line::new(capacity);
            let mut model: VecDeque<usize> = VecDeque::new();
            for (request, step) in steps.into_iter().enumerate() {
                match step {
                    0 => match line.push(request) {
                        Ok(()) => model.push_back(request),
                        Err(Full(held)) => prop_assert!(held == capacity && model.len() == capacity),
                    },
                    1 => prop_assert_eq!(line.pop(), model.pop_front()),
                    _ => {
                        let even: Vec<usize> = model.iter().copied().filter(|n| n % 2 == 0).collect();
                        prop_assert_eq!(line.take_out(|n| n % 2 == 0), even);
                        model.retain(|n| n % 2 != 0);
                    }
                }
                prop_assert_eq!(line.len(), model.len());
                prop_assert_eq!(line.first(), model.front());
            }
        }
    }
}
