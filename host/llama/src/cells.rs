//! The KV cells of a context: sequences can be truncated, copied, shifted, saved and restored.

use std::ops::Range;

use llama_cpp_sys_2 as sys;
use serde::{Deserialize, Serialize};

use super::context::reason;
use super::log::with_captured_errors;
use super::{Context, SavedSequence};

impl Context {
    /// Removes all tokens of `sequence` from the KV cells. An unknown sequence has none.
    pub fn clear_sequence(&mut self, sequence: u32) {
        if let Some(id) = self.id(sequence) {
            // SAFETY: the sequence is in range, which llama.cpp asserts; a whole sequence can
            // always be removed.
            unsafe { sys::llama_memory_seq_rm(self.memory(), id, -1, -1) };
        }
    }

    /// Keeps the first `tokens` of `sequence`. Returns `false` if this kind of memory cannot be
    /// truncated (recurrent); the sequence is then unchanged.
    pub fn truncate_sequence(&mut self, sequence: u32, tokens: u32) -> bool {
        let (Some(id), Ok(from)) = (self.id(sequence), i32::try_from(tokens)) else {
            return false;
        };
        if tokens >= self.sequence_len(sequence) {
            return true;
        }
        // SAFETY: the sequence is in range; llama.cpp returns false if a part cannot be removed.
        unsafe { sys::llama_memory_seq_rm(self.memory(), id, from, -1) }
    }

    /// Copies the first `tokens` of `from` to `to`, which must be empty. In one pool both then hold
    /// the same cells. If sequences have their own cells, the next decode copies all of them first;
    /// until then neither sequence can be saved or restored. Returns `false` if that is not
    /// possible; `to` is then empty.
    pub fn share_sequence(&mut self, from: u32, to: u32, tokens: u32) -> bool {
        let (Some(from_id), Some(to_id)) = (self.id(from), self.id(to)) else {
            return false;
        };
        let length = self.sequence_len(from);
        let is_recurrent = self.memory_kind().1;
        let is_possible =
            !(self.params.split && is_recurrent) && from_id != to_id && self.sequence_len(to) == 0;
        if !is_possible || tokens == 0 || tokens > length {
            return false;
        }
        // SAFETY: both sequences are in range and differ; all of one is copied, which llama.cpp
        // asserts where they have cells of their own.
        unsafe { sys::llama_memory_seq_cp(self.memory(), from_id, to_id, -1, -1) };
        if self.params.split {
            self.copies.extend([from_id, to_id]);
        }
        let cut = self.truncate_sequence(to, tokens);
        if !cut {
            self.clear_sequence(to);
        }
        cut
    }

    /// Removes the tokens from `begin` to `end` from `sequence` and shifts those after them down.
    /// The next decode rotates their keys to the new positions. Returns `false` if the model or its
    /// memory does not support that; the sequence is then unchanged.
    ///
    /// In one pool no other sequence may share the shifted cells, because they would be shifted for
    /// it, too.
    pub fn forget(&mut self, sequence: u32, begin: u32, end: u32) -> bool {
        let range = (i32::try_from(begin), i32::try_from(end));
        let (Some(id), (Ok(begin), Ok(end))) = (self.id(sequence), range) else {
            return false;
        };
        let after = end.unsigned_abs()..self.sequence_len(sequence);
        if begin >= end || !self.may_move(sequence, after) {
            return false;
        }
        // SAFETY: the sequence is in range, and `may_move` has checked that positions may be
        // shifted, which llama.cpp asserts here or at the next decode.
        unsafe {
            let memory = self.memory();
            if !sys::llama_memory_seq_rm(memory, id, begin, end) {
                return false;
            }
            sys::llama_memory_seq_add(memory, id, end, -1, begin - end);
        }
        self.has_pending = true;
        true
    }

    /// Whether tokens can be shifted to other positions. Not if positions are part of the computed
    /// values.
    pub fn can_shift(&self) -> bool {
        // SAFETY: the context is valid, and so is its memory.
        self.params.positions.is_none() && unsafe { sys::llama_memory_can_shift(self.memory()) }
    }

    /// Whether tokens before these of `sequence` can be removed, some or all, so that the next
    /// token follows directly after these.
    pub fn may_move(&self, sequence: u32, tokens: Range<u32>) -> bool {
        self.can_shift() && self.bounds_of(sequence).may_move(tokens)
    }

    /// How many of the first `tokens` of `sequence` can be continued: all, or none if earlier cells
    /// were dropped (a sliding window) or the state cannot be split (recurrent).
    pub fn usable(&self, sequence: u32, tokens: u32) -> u32 {
        self.bounds_of(sequence).usable(tokens)
    }

    /// Whether every prefix of a sequence can be continued.
    pub fn cuts_anywhere(&self) -> bool {
        let (window, is_recurrent) = self.memory_kind();
        !is_recurrent && (window == 0 || self.params.swa_full)
    }

    /// Whether a sequence can be saved now with everything that its prefixes need. llama.cpp does
    /// not save cells outside a sliding window at the sequence's end
    /// (`llama_kv_cache::state_write`), even if the layers keep them. A recurrent state can only be
    /// used as a whole anyway.
    pub fn saves_all(&self, sequence: u32) -> bool {
        let (window, is_recurrent) = self.memory_kind();
        let is_short = self.sequence_len(sequence) <= window && !self.is_copied(sequence);
        window == 0 || is_recurrent || is_short
    }

    /// Whether the next decode copies from or to the cells of a sequence.
    fn is_copied(&self, sequence: u32) -> bool {
        self.id(sequence)
            .is_some_and(|id| self.copies.contains(&id))
    }

    fn bounds_of(&self, sequence: u32) -> UsableBounds {
        let (window, is_recurrent) = self.memory_kind();
        UsableBounds {
            length: self.sequence_len(sequence),
            first: self.first_position(sequence),
            window,
            is_recurrent,
        }
    }

    /// Size of the sliding window in tokens, and whether the memory is a state that cannot be
    /// split.
    fn memory_kind(&self) -> (u32, bool) {
        // SAFETY: these functions only read a model that is alive.
        let (window, is_recurrent) = unsafe {
            let model = self.model.raw();
            let recurrent =
                sys::llama_model_is_recurrent(model) || sys::llama_model_is_hybrid(model);
            (sys::llama_model_n_swa(model), recurrent)
        };
        (u32::try_from(window).unwrap_or(0), is_recurrent)
    }

    /// Copies the state of `sequence` to host memory. `None` if it is empty, if there is not enough
    /// memory, or if the next decode has yet to move its cells.
    pub fn save_sequence(&self, sequence: u32) -> Option<SavedSequence> {
        let id = self.id(sequence)?;
        if self.sequence_len(sequence) == 0 || self.has_pending || self.is_copied(sequence) {
            return None;
        }
        // SAFETY: the sequence is in range.
        let size = unsafe { sys::llama_state_seq_get_size(self.raw.as_ptr(), id) };
        let mut bytes: Vec<u8> = Vec::new();
        bytes.try_reserve_exact(size).ok()?;
        // SAFETY: the buffer has room for `size` bytes, and llama.cpp writes at most that many. It
        // is not zeroed first, because for 92 MB that takes longer than the copy.
        let written = unsafe {
            sys::llama_state_seq_get_data(self.raw.as_ptr(), bytes.as_mut_ptr(), size, id)
        };
        if written == 0 || written > size {
            return None;
        }
        // SAFETY: llama.cpp has written the first `written` bytes, which are within the capacity.
        unsafe { bytes.set_len(written) };
        let mut bounds = self.bounds_of(sequence);
        if bounds.window > 0 {
            let passed = bounds.length.saturating_sub(bounds.window);
            bounds.first = bounds.first.max(passed);
        }
        Some(SavedSequence::new(bytes, bounds))
    }

    /// Restores a state as `sequence`, which must be empty. Returns `false` if llama.cpp refuses it
    /// (too few free cells), or if the next decode has yet to copy from or to these cells; the
    /// sequence is then empty.
    pub fn restore_sequence(&mut self, sequence: u32, saved: &SavedSequence) -> bool {
        let Some(id) = self.id(sequence).filter(|_| !self.is_copied(sequence)) else {
            return false;
        };
        let (read, errors) = match saved.unpacked() {
            // SAFETY: the sequence is in range, and the bytes came from `save_sequence` in a
            // context of the same model with the same parameters, possibly through a file whose
            // hash was checked; llama.cpp checks their length while reading.
            Ok(bytes) => with_captured_errors(|| unsafe {
                let (from, size) = (bytes.as_ptr(), bytes.len());
                sys::llama_state_seq_set_data(self.raw.as_ptr(), from, size, id)
            }),
            Err(error) => (0, vec![error.to_string()]),
        };
        let restored = read > 0 && self.sequence_len(sequence) == saved.tokens();
        if !restored {
            tracing::warn!(
                sequence,
                reason = reason(&errors),
                "a parked state was not taken back"
            );
            self.clear_sequence(sequence);
        }
        restored
    }

    /// Number of tokens of `sequence`: positions start at 0 and have no gaps.
    pub fn sequence_len(&self, sequence: u32) -> u32 {
        self.id(sequence).map_or(0, |id| {
            // SAFETY: the sequence is in range, which llama.cpp asserts.
            let last = unsafe { sys::llama_memory_seq_pos_max(self.memory(), id) };
            // -1 means empty.
            u32::try_from(last + 1).unwrap_or(0)
        })
    }

    /// The first position of `sequence` that every layer still has.
    fn first_position(&self, sequence: u32) -> u32 {
        self.id(sequence).map_or(0, |id| {
            // SAFETY: the sequence is in range, which llama.cpp asserts.
            let first = unsafe { sys::llama_memory_seq_pos_min(self.memory(), id) };
            u32::try_from(first).unwrap_or(0)
        })
    }

    fn id(&self, sequence: u32) -> Option<i32> {
        i32::try_from(sequence).ok().filter(|&id| self.has(id))
    }

    /// Whether the context has KV cells. An encoder model has none.
    pub fn has_memory(&self) -> bool {
        !self.memory().is_null()
    }

    fn memory(&self) -> sys::llama_memory_t {
        // SAFETY: the context is valid. Its memory, if any, lives as long as the context. Without
        // one this is null, which all functions that take it treat as empty.
        unsafe { sys::llama_get_memory(self.raw.as_ptr()) }
    }
}

/// The values that decide how much of a sequence can be continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UsableBounds {
    /// Number of tokens.
    pub(super) length: u32,
    /// The first position that every layer still has.
    pub(super) first: u32,
    /// Size of the sliding window in tokens; 0 without such layers.
    pub(super) window: u32,
    /// Whether the memory is a state that cannot be split.
    pub(super) is_recurrent: bool,
}

impl UsableBounds {
    /// A sequence of which every prefix can be continued.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn whole(length: u32) -> Self {
        Self {
            length,
            first: 0,
            window: 0,
            is_recurrent: false,
        }
    }

    /// How many of the first `tokens` can be continued: `tokens`, or 0.
    pub(super) fn usable(&self, tokens: u32) -> u32 {
        // As in llama.cpp's server: the window of the next token must be present.
        let has_window = || self.first == 0 || self.first + self.window <= tokens;
        let is_usable =
            tokens == self.length || (tokens < self.length && !self.is_recurrent && has_window());
        if is_usable { tokens } else { 0 }
    }

    /// As [`Context::may_move`], for a memory that supports shifting: either everything before the
    /// tokens is present, or they are at least half of the next token's window. In the second case,
    /// layers with a window lack the rest of it until the window has moved on. llama.cpp reuses
    /// cells outside the window for new tokens, even if there are enough for all
    /// (`llama_kv_cache::find_slot`). Values computed with the removed tokens in view are not exact
    /// anyway.
    pub(super) fn may_move(&self, tokens: Range<u32>) -> bool {
        let in_window = tokens.start.max(tokens.end.saturating_sub(self.window));
        let is_most = tokens.len() >= (self.window / 2) as usize && self.first <= in_window;
        !self.is_recurrent && (self.first == 0 || is_most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_moved_is_most_of_the_window_where_what_comes_before_is_gone() {
        let passed = UsableBounds {
            first: 500,
            window: 512,
            ..UsableBounds::whole(2000)
        };
        assert!(passed.may_move(1744..2000) && passed.may_move(0..1012));
        assert!(!passed.may_move(1745..2000) && !passed.may_move(0..1011));
        let has_all = UsableBounds { first: 0, ..passed };
        assert!(has_all.may_move(1990..2000));
    }

    #[test]
    fn a_sliding_window_must_be_there() {
        let bounds = UsableBounds {
            first: 500,
            window: 512,
            ..UsableBounds::whole(2000)
        };
        assert_eq!(bounds.usable(1012), 1012);
        assert_eq!(bounds.usable(1011), 0);
        assert_eq!(bounds.usable(2001), 0);
        // A state can always be continued from its end.
        assert_eq!(
            UsableBounds {
                length: 900,
                ..bounds
            }
            .usable(900),
            900
        );
        assert_eq!(UsableBounds::whole(2000).usable(7), 7);
    }

    #[test]
    fn a_recurrent_state_is_usable_as_a_whole() {
        let bounds = UsableBounds {
            is_recurrent: true,
            ..UsableBounds::whole(10)
        };
        assert_eq!((bounds.usable(10), bounds.usable(9)), (10, 0));
    }
}
