//! Takes tokens out of the cells of a sequence and moves those after them down. The next decode
//! rotates the keys of the moved tokens before anything else.

use std::ops::Range;

use mynah_schedule::Alignment;

use super::entry::SequenceId;
use super::manager::CacheManager;
use crate::decode::executor::Executor;

impl<C: Executor> CacheManager<C> {
    /// Whether another sequence has any of the cells from the token at `from` on.
    pub(in crate::decode) fn is_shared(&self, id: SequenceId, from: u32) -> bool {
        self.kv.is_shared(id, from)
    }

    /// Gives a sequence cells of its own if there is room. Returns the number of tokens in them.
    /// `None` if it still shares them.
    pub(in crate::decode) fn unshare(&mut self, id: SequenceId) -> Option<u32> {
        let state = self.kv.save(id)?;
        self.kv.clear(id);
        self.evict_for(u64::from(state.tokens()));
        Some(self.kv.restore(id, &state, state.tokens()))
    }

    /// Takes tokens out of a sequence that has become too long. Where that is not possible, nothing
    /// is left in its cells. Returns whether it was.
    pub(in crate::decode) fn drop_tokens(&mut self, id: SequenceId, range: Range<u32>) -> bool {
        self.counters.shifts += 1;
        let moved = self.kv.forget(id, range);
        if !moved {
            self.kv.clear(id);
            self.counters.reevaluated += 1;
        }
        moved
    }

    /// Moves the pieces of an older computation together. Returns whether this succeeded, and the
    /// number of tokens that can now be reused.
    pub(in crate::decode) fn move_pieces(
        &mut self,
        id: SequenceId,
        pieces: &Alignment,
    ) -> (bool, u32) {
        self.counters.shifts += 1;
        let moves = |gap: &Range<u32>| self.kv.forget(id, gap.clone());
        if pieces.gaps.iter().all(moves) {
            (true, self.kv.cut(id, pieces.kept))
        } else {
            self.counters.reevaluated += 1;
            (false, self.kv.truncate(id, pieces.prefix))
        }
    }
}
