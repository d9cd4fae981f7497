//! Which sequence holds which KV cells: llama.cpp doesn't tell how many are used where sequences
//! share them.

use std::ops::Range;

/// The KV cells of a context, as its sequences hold them.
#[derive(Debug)]
pub struct Cells {
    // Sequences share what is copied; else a copy has cells of its own.
    shares: bool,
    // For each sequence the cells of its tokens, in their order.
    sequences: Vec<Vec<u32>>,
    // For each cell how many sequences hold it.
    holders: Vec<u16>,
    // Cells that nobody holds.
    free: Vec<u32>,
}

impl Cells {
    /// Cells of `sequences` sequences, which all share one pool or have their own.
    pub fn new(sequences: u32, shares: bool) -> Self {
        Self {
            shares,
            sequences: vec![Vec::new(); sequences as usize],
            holders: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Cells that any sequence holds.
    pub fn used(&self) -> u64 {
        (self.holders.len() - self.free.len()) as u64
    }

    /// Cells that any of these sequences holds.
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

    /// Tokens of a sequence.
    pub fn len(&self, sequence: u32) -> u32 {
        // Fits: bounded by the context.
        u32::try_from(self.of(sequence).len()).unwrap_or(u32::MAX)
    }

    /// Whether another sequence holds any cell of this one, from position `from` on.
    pub fn is_shared(&self, sequence: u32, from: u32) -> bool {
        let after = self.of(sequence).iter().skip(from as usize);
        after
            .filter_map(|&cell| self.holders.get(cell as usize))
            .any(|&holders| holders > 1)
    }

    /// The sequence got so many more tokens.
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

    /// `to`, which is empty, has the first tokens of `from` as well.
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

    /// The sequence has no more than the first `tokens`.
    pub fn truncate(&mut self, sequence: u32, tokens: u32) {
        let length = self.len(sequence);
        self.remove(sequence, tokens.min(length)..length);
    }

    /// The tokens in `range` are out of the sequence.
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
            // At most 256 sequences hold one.
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

    proptest! {
        /// Whatever is done, what is used is what somebody holds.
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
