//! Makes room in sequences whose context is full, and moves the pieces of older computations that
//! serve. This comes right before a step: its decode rotates the keys of moved tokens before
//! anything else.

use mynah_core::log::{MEMORY, log_request};
use mynah_core::{Error, FinishReason, RequestOutcome};

use super::Scheduler;
use crate::decode::cache::{CacheManager, SequenceId};
use crate::decode::executor::Executor;
use crate::decode::sequence::Start;

impl Scheduler<'_> {
    /// Makes room in sequences that have more than `context_tokens`, and moves pieces. Returns the
    /// sequences that end because they are full and nothing of them may be dropped.
    pub(in crate::decode) fn shift_contexts(
        &mut self,
        context_tokens: u32,
        cache: &mut CacheManager<impl Executor>,
    ) -> Vec<(SequenceId, RequestOutcome<Error>)> {
        let mut drops = Vec::new();
        let mut full = Vec::new();
        for sequence in self.running.iter_mut() {
            // Also sequences that are yet to be computed, since their cells were lost.
            if sequence.len() > context_tokens {
                match sequence.next_drop(context_tokens) {
                    Some(range) => drops.push((sequence.id, range)),
                    None => full.push((
                        sequence.id,
                        RequestOutcome::finished(FinishReason::ContextFull),
                    )),
                }
            }
        }
        // All copies come first: once something was moved, nothing can be copied until the next
        // decode.
        for (id, range) in &drops {
            if cache.is_shared(*id, range.start) {
                self.unshare(*id, cache);
            }
        }
        self.move_pieces(cache);
        for (id, range) in drops {
            let moved = cache.drop_tokens(id, range.clone());
            let Some(sequence) = self.running.get_mut(id) else {
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
                // The model's memory cannot move tokens, or other sequences share the cells.
                log_request!(
                    INFO,
                    MEMORY,
                    sequence.log,
                    tokens,
                    dropped,
                    "the context was full and can't be shifted: computing again what is kept"
                );
                sequence.restart();
            }
        }
        full
    }

    /// Gives a sequence that shares its cells its own ones, if there is room.
    fn unshare(&mut self, id: SequenceId, cache: &mut CacheManager<impl Executor>) {
        let Some(there) = cache.unshare(id) else {
            return;
        };
        if let Some(sequence) = self.running.get_mut(id)
            && there < sequence.computed()
        {
            cache.clear(id);
            sequence.restart();
        }
    }

    /// Moves the pieces of older computations that serve.
    fn move_pieces(&mut self, cache: &mut CacheManager<impl Executor>) {
        for sequence in self.running.iter_mut() {
            if sequence.start() != Start::Begun {
                continue;
            }
            let Some(pieces) = sequence.take_pieces() else {
                continue;
            };
            let (is_moved, kept) = cache.move_pieces(sequence.id, &pieces);
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
