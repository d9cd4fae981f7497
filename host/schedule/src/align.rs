//! Which tokens of one sequence can be reused for another.

use std::ops::Range;

/// The length of the common prefix of two sequences.
#[must_use]
pub fn common<T: PartialEq>(one: &[T], other: &[T]) -> u32 {
    let pairs = one.iter().zip(other);
    let count = pairs.take_while(|(one, other)| one == other).count();
    // Fits: sequences are bounded by the context, which is counted in u32.
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The tokens of an old sequence that a new one can reuse.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alignment {
    /// Length of the common prefix.
    pub prefix: u32,
    /// Ranges to remove from the old sequence, one after the other. The positions of each range are
    /// those after the previous ones were removed and the tokens behind them moved down.
    pub gaps: Vec<Range<u32>>,
    /// After the removals, this number of tokens at the beginning equals the new sequence.
    pub kept: u32,
}

impl Alignment {
    /// Only the common prefix.
    #[must_use]
    pub fn prefix(prefix: u32) -> Self {
        Self {
            prefix,
            gaps: Vec::new(),
            kept: prefix,
        }
    }

    /// The last moved piece, as positions in the old sequence.
    #[must_use]
    pub fn last_piece(&self) -> Option<Range<u32>> {
        let begin = self.gaps.last()?.start;
        let out: u32 = self.gaps.iter().map(|gap| gap.end - gap.start).sum();
        Some(begin + out..self.kept + out)
    }
}

/// The tokens of `old` that `new` can reuse: the common prefix, and then pieces of `old`, of
/// `least` tokens or more, that follow in `new` without anything between them. The first token that
/// only `new` has ends the alignment: all tokens behind it depend on it.
#[must_use]
pub fn align<T: PartialEq>(old: &[T], new: &[T], least: usize) -> Alignment {
    let prefix = common(old, new);
    let mut found = Alignment::prefix(prefix);
    // Where to continue in the original `old`, and how many of its tokens are removed.
    let mut from = prefix as usize;
    let mut out = 0;
    while let (Some(piece @ [_, ..]), Some(wanted @ [_, ..])) =
        (old.get(from..), new.get(found.kept as usize..))
    {
        let length = common(piece, wanted);
        if length == 0 || (length as usize) < least {
            from += 1;
            continue;
        }
        // Never empty: directly after the prefix or a piece the two differ.
        let begin = found.kept;
        let end = u32::try_from(from - out).unwrap_or(u32::MAX);
        found.gaps.push(begin..end);
        out += (end - begin) as usize;
        found.kept += length;
        from += length as usize;
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_alike_at_the_beginning_stays() {
        assert_eq!(align(&[1, 2, 3], &[1, 2, 4, 5], 2), Alignment::prefix(2));
        assert_eq!(align(&[1, 2], &[1, 2, 3], 2), Alignment::prefix(2));
        assert_eq!(align(&[], &[1], 2), Alignment::prefix(0));
    }

    #[test]
    fn what_comes_after_a_gap_moves_down() {
        let old = [1, 2, 9, 9, 9, 3, 4, 5];
        let found = align(&old, &[1, 2, 3, 4, 5, 6], 3);
        assert_eq!((found.prefix, found.kept), (2, 5));
        assert_eq!(found.gaps, vec![Range { start: 2, end: 5 }]);
        assert_eq!(found.last_piece(), Some(5..8));
        // Too short to be reused.
        assert_eq!(align(&old, &[1, 2, 3, 4, 5, 6], 4), Alignment::prefix(2));
    }

    #[test]
    fn pieces_after_several_gaps_are_found_at_their_places() {
        let old = [1, 2, 9, 3, 4, 9, 9, 5, 6, 9];
        let found = align(&old, &[1, 2, 3, 4, 5, 6], 2);
        let gap = |start, end| Range { start, end };
        assert_eq!(found.gaps, [gap(2, 3), gap(4, 6)]);
        assert_eq!((found.prefix, found.kept), (2, 6));
        assert_eq!(found.last_piece(), Some(7..9));
        assert_eq!(Alignment::prefix(2).last_piece(), None);
        // Behind the end of the new sequence, nothing is removed.
        assert_eq!(align(&old, &[1, 2], 1), Alignment::prefix(2));
    }

    #[test]
    fn what_is_common_ends_at_the_first_difference() {
        assert_eq!(common(&[1, 2, 3], &[1, 2, 4, 3]), 2);
        assert_eq!(common(&[1, 2], &[1, 2, 3]), 2);
        assert_eq!(common::<u8>(&[], &[1]), 0);
    }

    proptest! {
        /// Removing the gaps gives the beginning of the new sequence.
        #[test]
        fn the_gaps_leave_what_is_wanted(
            old in prop::collection::vec(0u8..3, 0..40),
            new in prop::collection::vec(0u8..3, 0..40),
            least in 1usize..4,
        ) {
            let found = align(&old, &new, least);
            let mut left = old.clone();
            for gap in &found.gaps {
                left.drain(gap.start as usize..gap.end as usize);
            }
            left.truncate(found.kept as usize);
            prop_assert_eq!(&left[..], &new[..found.kept as usize]);
            prop_assert!(found.prefix <= found.kept);
            if let Some(piece) = found.last_piece() {
                let (begin, end) = (piece.start as usize, piece.end as usize);
                prop_assert!(new[..found.kept as usize].ends_with(&old[begin..end]));
                prop_assert!(piece.len() >= least);
            }
        }

        /// Whatever range is removed from a conversation, the rest is found again.
        #[test]
        fn a_part_taken_out_is_found(
            length in 1u32..60,
            begin in 0u32..60,
            taken in 0u32..60,
        ) {
            let old: Vec<u32> = (0..length).collect();
            let begin = begin.min(length);
            let end = (begin + taken).min(length);
            let new: Vec<u32> = (0..begin).chain(end..length).collect();
            prop_assert_eq!(align(&old, &new, 1).kept, length - (end - begin));
        }
    }
}
