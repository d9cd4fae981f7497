//! Keeps finished sequences in the prefix cache, and forgets those whose owner or session is gone.

use std::time::Instant;

use mynah_core::log::MEMORY;
use mynah_core::{Owner, TokenId};
use mynah_schedule::Location;

use super::entry::{CacheEntry, SequenceId};
use super::manager::CacheManager;
use crate::decode::executor::Executor;

/// A sequence that has ended.
#[derive(Debug, Clone, Copy)]
pub(in crate::decode) struct Finished<'a> {
    pub(in crate::decode) id: SequenceId,
    pub(in crate::decode) owner: &'a Owner,
    pub(in crate::decode) session: u64,
    /// Its tokens, of which the first `computed` are in its cells.
    pub(in crate::decode) tokens: &'a [TokenId],
    pub(in crate::decode) computed: u32,
    /// Number of tokens at the beginning that were computed in the steps of a deterministic
    /// request.
    pub(in crate::decode) exact: u32,
    /// Maximum number of its owner's tokens in the cache. 0 keeps none.
    pub(in crate::decode) max_tokens: u32,
}

impl<C: Executor> CacheManager<C> {
    /// Keeps the computed tokens of a finished sequence in its cells until the cells are needed, if
    /// its request allows it.
    pub(in crate::decode) fn retain(&mut self, finished: Finished<'_>, now: Instant) {
        let Finished { id, owner, .. } = finished;
        let tokens = finished.computed.min(finished.max_tokens);
        let kept = if finished.max_tokens > 0 {
            self.kv.truncate(id, tokens)
        } else {
            0
        };
        let tokens = finished.tokens.get(..kept as usize).unwrap_or_default();
        let exact = finished.exact.min(kept);
        if kept == 0 || self.entries.has(owner.name(), tokens, exact) {
            self.release(id);
            return;
        }
        for covered in self.entries.take_covered(owner.name(), tokens, exact) {
            self.drop_entry(&covered);
        }
        self.entries.disown(finished.session);
        self.entries.put(CacheEntry {
            owner: owner.to_ref(),
            session: Some(finished.session),
            tokens: tokens.to_vec(),
            exact,
            location: Location::Resident(id),
            is_stored: false,
            used_at: now,
        });
        self.trim(owner, id, finished.max_tokens);
    }

    /// Evicts entries of an owner until it has `most` tokens in the cache. The entry in the cells
    /// of `newest` stays.
    fn trim(&mut self, owner: &Owner, newest: SequenceId, most: u32) {
        let owner = owner.key();
        while self.entries.tokens_of(owner) > u64::from(most) {
            let oldest = self.entries.least_valuable(|entry| {
                entry.owner.name() == &**owner && entry.resident() != Some(newest)
            });
            let Some(entry) = oldest.and_then(|index| self.entries.take(index)) else {
                return;
            };
            self.log_evicted(&entry, "the owner has more than `max_cache_tokens`");
            self.counters.evictions += 1;
            self.drop_entry(&entry);
        }
    }

    /// Forgets the entries and files of owners that are gone.
    pub(super) fn forget_gone(&mut self) {
        for entry in self.entries.take_all(|entry| entry.owner.is_gone()) {
            self.drop_entry(&entry);
        }
        if let Some(disk) = self.disk.cache_mut() {
            disk.forget_gone();
        }
    }

    /// Removes the entry of a session that was closed because it was idle.
    pub(in crate::decode) fn forget_session(&mut self, session: u64) {
        let index = self.entries.of_session(session);
        let entry = index.and_then(|index| self.entries.take(index));
        tracing::info!(
            target: MEMORY,
            model = &*self.model,
            session,
            tokens = entry.as_ref().map_or(0, CacheEntry::len),
            "session closed: nobody has used it"
        );
        if let Some(entry) = entry {
            self.drop_entry(&entry);
        }
    }
}
