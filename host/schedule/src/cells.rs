//! Counts which sequence holds which KV cells. llama.cpp does not report how many cells are used
//! when sequences share them.

use std::ops::Range;

/// The KV cells of a context, by the sequences that hold them.
#[derive(Debug)]
pub struct Cells {
    // Whether a copy shares the cells; otherwise it has its own.
    shares: bool,
    // For each sequence, the cells of its tokens in order.
    sequences: Vec<Vec<u32>>,
    // For each cell, the number of sequences that hold it.
    holders: Vec<u16>,
    // Cells that no sequence holds.
    free: Vec<u32>,
}

impl Cells {
    /// The cells of `sequences` sequences, which share one pool or each have their own.
    pub fn new(sequences: u32, shares: bool) -> Self {
        Self {
            shares,
            sequences: vec![Vec::new(); sequences as usize],
            holders: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Number of cells that any sequence holds.
    pub fn used(&self) -> u64 {
        (self.holders.len() - self.free.len()) as u64
    }

    /// Number of cells that any of these sequences holds.
    pub fn held_by(&self, sequences: impl Iterator<Item = u32>) -> u64 {
        let mut seen = vec![false; self.holders.len()];
        let mut count = 0;
        for cell in sequences.flat_map(|sequence| self.of(sequence)) {
            if let Some(seen) = seen.get_mut(*cell as usize)
                && !std::mem::replace(seen, true)
            {
                count += 1;
            }
        }
        count
    }

    /// Number of tokens of a sequence.
    pub fn len(&self, sequence: u32) -> u32 {
        // Fits: bounded by the context.
        u32::try_from(self.of(sequence).len()).unwrap_or(u32::MAX)
    }

    /// Whether another sequence holds a cell of this one at or after position `from`.
    pub fn is_shared(&self, sequence: u32, from: u32) -> bool {
        let after = self.of(sequence).iter().skip(from as usize);
        after
            .filter_map(|&cell| self.holders.get(cell as usize))
            .any(|&holders| holders > 1)
    }

    /// Adds tokens to a sequence.
    pub fn extend(&mut self, sequence: u32, tokens: u32) {
        for _ in 0..tokens {
            let cell = self.free.pop().unwrap_or_else(|| {
                self.holders.push(0);
                // Fits: cells are counted in u32.
                u32::try_from(self.holders.len() - 1).unwrap_or(u32::MAX)
            });
            self.hold(sequence, cell);
        }
    }

    /// Copies the first tokens of `from` to the empty sequence `to`.
    pub fn copy(&mut self, from: u32, to: u32, tokens: u32) {
        if self.shares {
            let first: Vec<u32> = self
                .of(from)
                .iter()
                .take(tokens as usize)
                .copied()
                .collect();
            for cell in first {
                self.hold(to, cell);
            }
        } else {
            self.extend(to, tokens);
        }
    }

    /// Keeps only the first `tokens` of a sequence.
    pub fn truncate(&mut self, sequence: u32, tokens: u32) {
        let length = self.len(sequence);
        self.remove(sequence, tokens.min(length)..length);
    }

    /// Removes the tokens in `range` from a sequence.
    pub fn remove(&mut self, sequence: u32, range: Range<u32>) {
        let Some(held) = self.sequences.get_mut(sequence as usize) else {
            return;
        };
        let end = (range.end as usize).min(held.len());
        let begin = (range.start as usize).min(end);
        for cell in held.drain(begin..end) {
            if let Some(holders) = self.holders.get_mut(cell as usize) {
                *holders = holders.saturating_sub(1);
                if *holders == 0 {
                    self.free.push(cell);
                }
            }
        }
    }

    fn of(&self, sequence: u32) -> &[u32] {
        let held = self.sequences.get(sequence as usize);
        held.map_or(&[], Vec::as_slice)
    }

    fn hold(&mut self, sequence: u32, cell: u32) {
        let held = self.sequences.get_mut(sequence as usize);
        let holders = self.holders.get_mut(cell as usize);
        if let (Some(held), Some(holders)) = (held, holders) {
            held.push(cell);
            // A cell has at most 256 holders.
            *holders = holders.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_copy_shares_and_what_comes_after_does_not() {
        let mut cells = Cells::new(3, true);
        cells.extend(0, 10);
        cells.copy(0, 1, 6);
        cells.extend(1, 2);
        assert_eq!(cells.used(), 12);
        assert_eq!((cells.len(0), cells.len(1)), (10, 8));
        assert!(cells.is_shared(1, 5) && !cells.is_shared(1, 6));
        cells.truncate(0, 0);
        assert_eq!(cells.used(), 8);
        assert!(!cells.is_shared(1, 0));
        cells.remove(1, 2..5);
        assert_eq!((cells.used(), cells.len(1)), (5, 5));
        assert_eq!(cells.held_by([0, 1, 2].into_iter()), 5);
    }

    #[test]
    fn split_sequences_share_nothing() {
        let mut cells = Cells::new(2, false);
        cells.extend(0, 4);
        cells.copy(0, 1, 3);
        assert_eq!(cells.used(), 7);
        assert!(!cells.is_shared(0, 0));
    }

    #[test]
    fn a_cell_is_free_again_when_its_last_holder_lets_go() {
        let mut cells = Cells::new(3, true);
        cells.extend(0, 4);
        cells.copy(0, 1, 4);
        cells.copy(0, 2, 2);
        cells.truncate(0, 1);
        // The cells of the others stay in use, and new tokens take new ones.
        cells.extend(0, 3);
        assert_eq!(cells.used(), 7);
        assert_eq!(cells.held_by([0].into_iter()), 4);
        assert_eq!(cells.held_by([1, 2, 1].into_iter()), 4);
        cells.truncate(1, 0);
        assert_eq!(cells.used(), 5);
        // Truncating freed cells. They are the first to be used again.
        cells.extend(1, 2);
        assert_eq!(cells.used(), 7);
        cells.extend(1, 1);
        assert_eq!(cells.used(), 8);
    }

    #[test]
    fn what_is_behind_the_end_or_in_no_sequence_changes_nothing() {
        let mut cells = Cells::new(1, true);
        cells.extend(0, 4);
        cells.remove(0, 4..9);
        cells.remove(0, 9..12);
        cells.truncate(0, 5);
        cells.extend(1, 2);
        cells.remove(1, 0..1);
        assert_eq!((cells.len(0), cells.len(1)), (4, 0));
        cells.remove(0, 3..9);
        assert_eq!(cells.len(0), 3);
    }

    proptest! {
        /// After any steps, the used cells are exactly those that a sequence holds.
        #[test]
        fn no_cell_is_lost(
            shares in any::<bool>(),
            steps in prop::collection::vec((0u8..4, 0u32..4, 0u32..4, 0u32..12), 0..60),
        ) {
            let mut cells = Cells::new(4, shares);
            for (what, one, other, count) in steps {
                match what {
                    0 => cells.extend(one, count),
                    1 => cells.truncate(one, count),
                    2 => cells.remove(one, count..count + 3),
                    _ => {
                        cells.truncate(other, 0);
                        if one != other {
                            cells.copy(one, other, count.min(cells.len(one)));
                        }
                    }
                }
                let held: HashSet<u32> = (0..4).flat_map(|id| cells.of(id).to_vec()).collect();
                prop_assert_eq!(cells.used(), held.len() as u64);
                prop_assert_eq!(cells.held_by(0..4), held.len() as u64);
            }
        }
    }
}
