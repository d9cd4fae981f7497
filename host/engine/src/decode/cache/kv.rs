//! The model's KV cells, and the accounts of which sequence holds which. Every change of a sequence
//! goes through here, so that the accounts are always right.

use std::ops::Range;
use std::time::Duration;

use mynah_llama::{Batch, ContextParams, DecodeError, SavedSequence};
use mynah_schedule::Cells;

use crate::decode::executor::Executor;

/// A model, and which of its sequences holds which cells.
#[derive(Debug)]
pub(super) struct Kv<C> {
    executor: C,
    cells: Cells,
    params: ContextParams,
    // Sequences whose tokens were moved after the last decode.
    moved: Vec<u32>,
}

impl<C: Executor> Kv<C> {
    pub(super) fn new(executor: C, params: ContextParams) -> Self {
        Self {
            executor,
            cells: Cells::new(params.sequences, !params.split),
            params,
            moved: Vec::new(),
        }
    }

    /// The model that computes.
    pub(super) fn executor(&self) -> &C {
        &self.executor
    }

    /// Computes the batch, and returns how long it took. [`extend`](Self::extend) then accounts
    /// for each sequence in it.
    pub(super) fn decode(
        &mut self,
        batch: &mut Batch,
        should_stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Duration, DecodeError> {
        let decoded = self.executor.decode(batch, should_stop);
        if !matches!(decoded, Err(DecodeError::Failed { .. })) {
            self.moved.clear();
        }
        decoded
    }

    /// The sequences that a failed decode was to move: their cells are not to be trusted.
    pub(super) fn take_moved(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.moved)
    }

    /// Accounts for tokens of a sequence that a decode has computed.
    pub(super) fn extend(&mut self, sequence: u32, tokens: u32) {
        self.cells.extend(sequence, tokens);
    }

    /// Takes all tokens of a sequence out.
    pub(super) fn clear(&mut self, sequence: u32) {
        self.executor.clear_sequence(sequence);
        self.cells.truncate(sequence, 0);
    }

    /// Keeps the first `tokens` of a sequence, or clears it if its memory cannot be truncated
    /// there. Returns the number of tokens that it then has.
    pub(super) fn truncate(&mut self, sequence: u32, tokens: u32) -> u32 {
        // An aborted decode may have computed more than was accounted for, so the model is asked in
        // any case.
        let tokens = tokens.min(self.len(sequence));
        if self.executor.usable(sequence, tokens) == tokens {
            self.cut(sequence, tokens)
        } else {
            self.clear(sequence);
            0
        }
    }

    /// Like [`truncate`](Self::truncate), for a sequence whose tokens were moved. llama.cpp reuses
    /// the cells of tokens outside a sliding window, so tokens that are moved back under the window
    /// may miss some. This is accepted: a shifted context is never exact.
    pub(super) fn cut(&mut self, sequence: u32, tokens: u32) -> u32 {
        if self.executor.truncate_sequence(sequence, tokens) {
            self.cells.truncate(sequence, tokens);
            tokens
        } else {
            self.clear(sequence);
            0
        }
    }

    /// Clears `to` and gives it the first `tokens` of `from`. In one pool the two share the cells.
    /// Returns whether it could.
    pub(super) fn share(&mut self, from: u32, to: u32, tokens: u32) -> bool {
        self.clear(to);
        let shared = self.executor.share_sequence(from, to, tokens);
        if shared {
            self.cells.copy(from, to, tokens);
        }
        shared
    }

    /// Whether sequences take their cells from one pool, and can share them.
    pub(super) fn shares(&self) -> bool {
        !self.params.split
    }

    /// Copies a sequence to host memory.
    pub(super) fn save(&self, sequence: u32) -> Option<SavedSequence> {
        self.executor.save_sequence(sequence)
    }

    /// Clears a sequence and restores the first `tokens` of a state into it. Returns the number of
    /// tokens that it then has.
    pub(super) fn restore(&mut self, sequence: u32, saved: &SavedSequence, tokens: u32) -> u32 {
        self.clear(sequence);
        if !self.executor.restore_sequence(sequence, saved) {
            return 0;
        }
        self.cells.extend(sequence, saved.tokens());
        if tokens < saved.tokens() {
            self.truncate(sequence, tokens)
        } else {
            saved.tokens()
        }
    }

    /// Takes tokens out of a sequence and moves those after them down, unless it shares any of
    /// them. Returns whether it could.
    pub(super) fn forget(&mut self, sequence: u32, tokens: Range<u32>) -> bool {
        if self.len(sequence) < tokens.end || self.is_shared(sequence, tokens.start) {
            return false;
        }
        let moved = self.executor.forget(sequence, tokens.clone());
        if moved {
            self.cells.remove(sequence, tokens);
            self.moved.push(sequence);
        }
        moved
    }

    /// Whether another sequence has any cell of this one, from the token at `from` on.
    pub(super) fn is_shared(&self, sequence: u32, from: u32) -> bool {
        self.cells.is_shared(sequence, from)
    }

    /// Recreates the context. All sequences are then empty.
    ///
    /// # Errors
    ///
    /// Why it can't.
    pub(super) fn reset(&mut self) -> Result<(), String> {
        self.cells = Cells::new(self.params.sequences, !self.params.split);
        self.moved.clear();
        self.executor.reset()
    }

    /// How many tokens a sequence has.
    pub(super) fn len(&self, sequence: u32) -> u32 {
        self.cells.len(sequence)
    }

    /// Cells that hold a token. Those that the context has beyond the accounts count too, so that a
    /// leak shows.
    pub(super) fn used(&self) -> u64 {
        let all = 0..self.params.sequences;
        let beyond = all.map(|id| self.executor.sequence_len(id).saturating_sub(self.len(id)));
        self.cells.used() + beyond.map(u64::from).sum::<u64>()
    }

    /// Cells that any of these sequences holds.
    pub(super) fn held_by(&self, sequences: impl Iterator<Item = u32>) -> u64 {
        if self.shares() {
            self.cells.held_by(sequences)
        } else {
            sequences.map(|id| u64::from(self.len(id))).sum()
        }
    }

    /// Cells that no sequence holds.
    pub(super) fn free(&self) -> u64 {
        u64::from(self.params.cells).saturating_sub(self.cells.used())
    }
}
