//! Tokens that make room, and pieces that are moved, right before a step: the decode turns their
//! keys before anything else.

use crate::decode::engine::Engine;
use crate::decode::executor::Executor;
use crate::decode::sequence::Start;
use crate::log::{MEMORY, log_request};
use crate::{FinishReason, RequestOutcome};

impl<C: Executor> Engine<'_, C> {
    /// Makes room in the sequences that are full, and moves what of an older computation serves.
    /// Ends those that are full and have nothing that may go.
    pub(in crate::decode) fn shift(&mut self) {
        let context_tokens = self.params.context_tokens;
        let mut drops = Vec::new();
        let mut full = Vec::new();
        for sequence in &mut self.running {
            // Also where they are yet to be computed, since the cells were lost.
            if sequence.len() > context_tokens {
                match sequence.next_drop(context_tokens) {
                    Some(range) => drops.push((sequence.id, range)),
                    None => full.push(sequence.id),
                }
            }
        }
        // First all copies: once something was moved, nothing can be copied until the next decode.
        for (id, range) in &drops {
            if self.kv.is_shared(*id, range.start) {
                self.unshare(*id);
            }
        }
        self.move_pieces();
        for (id, range) in drops {
            let moved = self.kv.forget(id, range.clone());
            self.counters.cache.shifts += 1;
            let Some(sequence) = self.running.iter_mut().find(|one| one.id == id) else {
                continue;
            };
            let dropped = range.len();
            sequence.drop_tokens(range);
            let tokens = sequence.len();
            if moved {
                log_request!(
                    DEBUG,
                    MEMORY,
                    sequence.log,
                    tokens,
                    dropped,
                    "context shifted"
                );
            } else {
                // A memory that can't move tokens, or cells that others have too.
                log_request!(
                    INFO,
                    MEMORY,
                    sequence.log,
                    tokens,
                    dropped,
                    "the context was full and can't be shifted: computing again what is kept"
                );
                self.kv.clear(id);
                sequence.restart();
                self.counters.cache.reevaluated += 1;
            }
        }
        self.retire(|sequence| {
            let is_full = full.contains(&sequence.id);
            is_full.then_some(RequestOutcome::finished(FinishReason::ContextFull))
        });
    }

    /// Gives a sequence cells of its own where it shares them, as far as there is room.
    fn unshare(&mut self, id: u32) {
        if let Some(state) = self.kv.save(id) {
            self.kv.clear(id);
            self.reclaim(u64::from(state.tokens()));
            let there = self.kv.restore(id, &state, state.tokens());
            if let Some(sequence) = self.running.iter_mut().find(|one| one.id == id)
                && there < sequence.computed()
            {
                self.kv.clear(id);
                sequence.restart();
            }
        }
    }

    /// Moves the pieces of older computations that serve.
    fn move_pieces(&mut self) {
        for sequence in &mut self.running {
            if sequence.start() != Start::Begun {
                continue;
            }
            let Some(pieces) = sequence.take_pieces() else {
                continue;
            };
            let id = sequence.id;
            let moved = |gap: &std::ops::Range<u32>| self.kv.forget(id, gap.clone());
            self.counters.cache.shifts += 1;
            let is_moved = pieces.gaps.iter().all(moved);
            let kept = if is_moved {
                self.kv.cut(id, pieces.kept)
            } else {
                self.counters.cache.reevaluated += 1;
                self.kv.truncate(id, pieces.prefix)
            };
            log_request!(
                DEBUG,
                MEMORY,
                sequence.log,
                begins_alike = pieces.prefix,
                kept,
                is_moved,
                "the prompt lacks a part of what came before"
            );
            sequence.found(kept);
        }
    }
}
