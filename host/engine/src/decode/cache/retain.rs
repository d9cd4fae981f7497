//! What sequences leave behind when they end, and what of that goes when room is short.

use std::time::Instant;

use crate::decode::engine::Engine;
use crate::decode::executor::Executor;
use crate::decode::sequence::Sequence;
use crate::llama::SavedSequence;
use crate::log::MEMORY;
use crate::memory::{Entry, Place, PressureLevel};

/// Tokens that are worth a place in host memory.
const LEAST_SAVED: u32 = 16;

/// Something that a sequence left behind.
pub(in crate::decode) type CacheEntry = Entry<crate::llama::TokenId, SavedSequence>;

impl<C: Executor> Engine<'_, C> {
    /// A sequence has ended: what it computed stays in its cells until they are needed, where its
    /// request says so.
    pub(in crate::decode) fn leave_behind(&mut self, sequence: &Sequence, now: Instant) {
        let id = sequence.id;
        let most = sequence.settings.memory.max_cache_tokens;
        let tokens = sequence.computed().min(most);
        let kept = if sequence.uses_cache() {
            self.kv.truncate(id, tokens)
        } else {
            0
        };
        let tokens = sequence.tokens().get(..kept as usize).unwrap_or_default();
        let exact = sequence.exact(self.planner.chunk()).min(kept);
        if kept == 0 || self.shelf.has(sequence.owner.name(), tokens, exact) {
            self.release(id);
            return;
        }
        for covered in self
            .shelf
            .take_covered(sequence.owner.name(), tokens, exact)
        {
            self.drop_entry(&covered);
        }
        self.shelf.disown(sequence.session);
        self.shelf.put(Entry {
            owner: sequence.owner.to_ref(),
            session: Some(sequence.session),
            tokens: tokens.to_vec(),
            exact,
            place: Place::Resident(id),
            is_stored: false,
            used_at: now,
        });
        self.trim(sequence, most);
    }

    /// Holds what the owner of a sequence has to `most` tokens; what has just been put there goes
    /// last.
    fn trim(&mut self, sequence: &Sequence, most: u32) {
        let owner = sequence.owner.key();
        while self.shelf.tokens_of(owner) > u64::from(most) {
            let oldest = self.shelf.least_valuable(|entry| {
                entry.owner.name() == &**owner && entry.resident() != Some(sequence.id)
            });
            let Some(entry) = oldest.and_then(|index| self.shelf.take(index)) else {
                return;
            };
            self.note_forgotten(&entry, "the owner has more than `max_cache_tokens`");
            self.counters.cache.evictions += 1;
            self.drop_entry(&entry);
        }
    }

    /// Frees a number and its cells.
    pub(in crate::decode) fn release(&mut self, id: u32) {
        self.kv.clear(id);
        self.free.push(id);
        self.free.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// A number that nobody uses; where there is none, the least valuable of those that were left
    /// makes way.
    pub(in crate::decode) fn number(&mut self) -> Option<u32> {
        if self.free.is_empty() {
            self.evict();
        }
        self.free.pop()
    }

    /// Numbers that hold what was left behind.
    pub(in crate::decode) fn idle(&self) -> impl Iterator<Item = u32> {
        self.shelf.entries().iter().filter_map(Entry::resident)
    }

    /// Cells that only what was left behind holds.
    pub(in crate::decode) fn idle_cells(&self) -> u64 {
        let running = self.running.iter().map(|sequence| sequence.id);
        let all = self.kv.held_by(running.clone().chain(self.idle()));
        all - self.kv.held_by(running)
    }

    /// Frees cells until so many are free, as far as what was left behind holds any.
    pub(in crate::decode) fn reclaim(&mut self, cells: u64) {
        while !self.params.context.split && self.kv.free() < cells && self.evict() {}
    }

    /// Takes the least valuable of what was left in cells out of them, to host memory where there
    /// is room. Says whether there was any.
    fn evict(&mut self) -> bool {
        let least = self
            .shelf
            .least_valuable(|entry| entry.resident().is_some());
        let Some(mut entry) = least.and_then(|index| self.shelf.take(index)) else {
            return false;
        };
        let is_worth_it = entry.len() >= LEAST_SAVED && !entry.owner.is_gone();
        let id = entry.resident().filter(|_| is_worth_it);
        let state = id.and_then(|id| self.put_aside(id));
        self.drop_entry(&entry);
        match state {
            Some(state) => {
                tracing::debug!(
                    target: MEMORY,
                    model = &**self.queue.model(),
                    session = entry.session,
                    owner = entry.owner.name(),
                    tokens = entry.len(),
                    bytes = state.size(),
                    "put aside in host memory"
                );
                entry.place = Place::Saved(state);
                self.shelf.put(entry);
            }
            None => self.note_evicted(&entry, "its cells were needed"),
        }
        true
    }

    /// Copies a sequence to host memory, if there is room.
    pub(in crate::decode) fn put_aside(&mut self, id: u32) -> Option<SavedSequence> {
        let mut state = self.kv.save(id)?;
        if self.params.config.compress_parked {
            match state.packed() {
                Ok(packed) => state = packed,
                Err(error) => {
                    tracing::warn!(target: MEMORY, model = &**self.queue.model(), %error, "a state can't be packed: it isn't kept");
                    return None;
                }
            }
        }
        self.make_bytes(state.size()).then_some(state)
    }

    /// Makes room for so many bytes of host memory, as far as what was left behind has any. Says
    /// whether there is.
    pub(in crate::decode) fn make_bytes(&mut self, bytes: u64) -> bool {
        let most = self.ease.allowance;
        let in_use = self.bytes_in_use();
        if in_use.saturating_add(bytes) > most {
            return false;
        }
        while in_use + self.saved_bytes() + bytes > most {
            // What is being written stays in memory until it is.
            let stored = self.stored.as_ref();
            let least = self.shelf.least_valuable(|entry| {
                let is_writing = stored.is_some_and(|stored| stored.is_writing(entry));
                entry.saved().is_some() && !is_writing
            });
            let Some(entry) = least.and_then(|index| self.shelf.take(index)) else {
                return false;
            };
            self.note_evicted(&entry, "its host memory was needed");
        }
        true
    }

    /// Something that was left behind is no longer in memory: counts and tells it.
    pub(in crate::decode) fn note_evicted(&mut self, entry: &CacheEntry, why: &'static str) {
        self.note_forgotten(entry, why);
        self.counters.cache.evicted(entry.is_stored);
    }

    fn note_forgotten(&self, entry: &CacheEntry, why: &'static str) {
        tracing::debug!(
            target: MEMORY,
            model = &**self.queue.model(),
            session = entry.session,
            owner = entry.owner.name(),
            tokens = entry.len(),
            on_disk = entry.is_stored,
            why,
            "evicted"
        );
    }

    /// Host memory that can't be had back now: of parked sequences, and of what is on its way to
    /// disk or back.
    pub(in crate::decode) fn bytes_in_use(&self) -> u64 {
        self.parked_bytes() + self.bytes_on_their_way()
    }

    /// Host memory that what was left behind takes.
    pub(in crate::decode) fn saved_bytes(&self) -> u64 {
        let entries = self.shelf.entries().iter();
        entries
            .filter_map(Entry::saved)
            .map(SavedSequence::size)
            .sum()
    }

    /// Tokens of what was left behind: in cells, and in host memory.
    pub(in crate::decode) fn left_tokens(&self) -> (u64, u64) {
        let tokens = |is_resident: bool| {
            let entries = self.shelf.entries().iter();
            entries
                .filter(|entry| entry.resident().is_some() == is_resident)
                .map(|entry| u64::from(entry.len()))
                .sum()
        };
        (tokens(true), tokens(false))
    }

    /// Forgets what nobody can ask for any more.
    pub(in crate::decode) fn forget_gone(&mut self) {
        for entry in self.shelf.take_all(|entry| entry.owner.is_gone()) {
            self.drop_entry(&entry);
        }
        if let Some(stored) = &mut self.stored {
            stored.forget_gone();
        }
    }

    /// Closes the sessions that nobody has used for too long, and forgets what they left.
    pub(in crate::decode) fn close_idle(&mut self, now: Instant) {
        let is_short = self.counters.pressure.level >= PressureLevel::Close;
        for session in self.queue.sweep_sessions(now, is_short) {
            let left = self.shelf.of_session(session);
            let entry = left.and_then(|index| self.shelf.take(index));
            tracing::info!(
                target: MEMORY,
                model = &**self.queue.model(),
                session,
                tokens = entry.as_ref().map_or(0, Entry::len),
                "session closed: nobody has used it"
            );
            if let Some(entry) = entry {
                self.drop_entry(&entry);
            }
        }
    }

    /// Forgets all that was left in cells: they are lost.
    pub(in crate::decode) fn forget_resident(&mut self) {
        for entry in self.shelf.take_all(|entry| entry.resident().is_some()) {
            self.drop_entry(&entry);
        }
    }

    /// Frees what an entry that was taken off the shelf holds in cells.
    pub(in crate::decode) fn drop_entry(&mut self, entry: &CacheEntry) {
        if let Some(id) = entry.resident() {
            self.release(id);
        }
    }
}
