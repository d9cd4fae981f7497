//! Manages a model's KV cells: which sequence numbers are free, which sequence holds which cells,
//! and what is evicted when cells or host memory run out.

use std::time::{Duration, Instant};

use mynah_core::log::MEMORY;
use mynah_core::{CacheStatus, Owner, Pressure, SessionState, Status};
use mynah_llama::{Batch, DecodeError, SavedSequence};
use mynah_schedule::Location;

use super::disk_cache::DiskCache;
use super::disk_state::DiskState;
use super::entry::{CacheEntry, PrefixCache, SequenceId};
use super::kv::Kv;
use super::parked::{ParkedBytes, ParkedState};
use crate::decode::WorkerParams;
use crate::decode::executor::Executor;
use crate::decode::log_name::LogName;

/// Tokens that a sequence needs to be worth copying to host memory.
const LEAST_SAVED: u32 = 16;

/// Owns the KV cells, the prefix cache, its disk cache and the free numbers of sequences.
///
/// It knows sequences by their numbers alone. Every number is free, holds an entry of the prefix
/// cache, or was given to a sequence that runs.
pub(in crate::decode) struct CacheManager<C> {
    pub(super) kv: Kv<C>,
    pub(super) params: WorkerParams,
    /// Tokens of a prompt in one step of a deterministic sequence.
    pub(super) chunk: u32,
    /// The name of the model in the log.
    pub(super) model: LogName,
    pub(super) entries: PrefixCache,
    pub(super) disk: DiskState,
    /// Free numbers in descending order. The lowest is used first, because llama.cpp computes split
    /// sequences together only if their numbers are consecutive.
    free: Vec<SequenceId>,
    parked_bytes: ParkedBytes,
    /// Host memory that the prefix cache and parked sequences may take now: the operator's limit,
    /// or less if the process is short of memory.
    pub(super) allowance: u64,
    /// When memory is looked at again.
    pub(super) next_look: Instant,
    pub(super) pressure: Pressure,
    pub(super) counters: CacheStatus,
}

impl<C: Executor> CacheManager<C> {
    /// `chunk` is the number of prompt tokens that a deterministic sequence computes in one step.
    pub(in crate::decode) fn new(
        executor: C,
        params: WorkerParams,
        chunk: u32,
        disk: DiskState,
        model: LogName,
    ) -> Self {
        Self {
            kv: Kv::new(executor, params.context),
            entries: PrefixCache::new(params.config.share_prefixes),
            chunk,
            model,
            disk,
            free: (0..params.context.sequences).rev().collect(),
            parked_bytes: ParkedBytes::default(),
            allowance: params.config.max_parked_bytes,
            params,
            next_look: Instant::now(),
            pressure: Pressure::default(),
            counters: CacheStatus::default(),
        }
    }

    /// The model that computes.
    pub(in crate::decode) fn executor(&self) -> &C {
        self.kv.executor()
    }

    /// Computes a batch, and returns how long it took. [`computed`](Self::computed) then accounts
    /// for each sequence in it.
    pub(in crate::decode) fn decode(
        &mut self,
        batch: &mut Batch,
        should_stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Duration, DecodeError> {
        self.kv.decode(batch, should_stop)
    }

    /// Counts tokens that a step computed for a sequence.
    pub(in crate::decode) fn computed(&mut self, id: SequenceId, tokens: u32) {
        self.kv.extend(id, tokens);
    }

    /// Takes all tokens of a sequence out of its cells. Its number stays taken.
    pub(in crate::decode) fn clear(&mut self, id: SequenceId) {
        self.kv.clear(id);
    }

    /// Frees a number and its cells.
    pub(in crate::decode) fn release(&mut self, id: SequenceId) {
        self.kv.clear(id);
        self.free.push(id);
        self.free.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// A free number. If there is none, the least valuable entry in cells is evicted.
    pub(super) fn number(&mut self) -> Option<SequenceId> {
        if self.free.is_empty() {
            self.evict();
        }
        self.free.pop()
    }

    /// Whether a new sequence would have to evict an entry for its number.
    pub(super) fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    /// Numbers that a new sequence could have: the free ones, and those of entries.
    pub(in crate::decode) fn available_sequences(&self) -> usize {
        self.free.len() + self.idle().count()
    }

    /// Number of free cells. `None` if every sequence has its own.
    pub(in crate::decode) fn free_cells(&self) -> Option<u64> {
        self.kv.shares().then(|| self.kv.free())
    }

    /// Number of cells that a new sequence could have: the free ones, and those that only entries
    /// hold. `None` if every sequence has its own.
    pub(in crate::decode) fn available_cells(&self) -> Option<u64> {
        self.free_cells().map(|free| free + self.idle_cells())
    }

    /// Numbers that hold an entry.
    fn idle(&self) -> impl Iterator<Item = SequenceId> {
        self.entries
            .entries()
            .iter()
            .filter_map(CacheEntry::resident)
    }

    /// Numbers that were given to sequences that run.
    pub(super) fn active(&self) -> Vec<SequenceId> {
        let mut is_active = vec![true; self.params.context.sequences as usize];
        for id in self.free.iter().copied().chain(self.idle()) {
            if let Some(is_active) = is_active.get_mut(id as usize) {
                *is_active = false;
            }
        }
        let all = (0u32..).zip(is_active);
        all.filter_map(|(id, is_active)| is_active.then_some(id))
            .collect()
    }

    /// Cells that only entries hold.
    pub(super) fn idle_cells(&self) -> u64 {
        let active = self.active();
        let all = self.kv.held_by(active.iter().copied().chain(self.idle()));
        all - self.kv.held_by(active.into_iter())
    }

    /// Evicts entries from cells until `cells` cells are free, or no entry is left in cells.
    pub(in crate::decode) fn evict_for(&mut self, cells: u64) {
        while self.kv.shares() && self.kv.free() < cells && self.evict() {}
    }

    /// Evicts the least valuable entry from its cells: to host memory if there is room. Returns
    /// whether there was one.
    fn evict(&mut self) -> bool {
        let least = self
            .entries
            .least_valuable(|entry| entry.resident().is_some());
        let Some(mut entry) = least.and_then(|index| self.entries.take(index)) else {
            return false;
        };
        let is_worth_it = entry.len() >= LEAST_SAVED && !entry.owner.is_gone();
        let id = entry.resident().filter(|_| is_worth_it);
        let state = id.and_then(|id| self.save(id));
        self.drop_entry(&entry);
        match state {
            Some(state) => {
                tracing::debug!(
                    target: MEMORY,
                    model = &*self.model,
                    session = entry.session,
                    owner = entry.owner.name(),
                    tokens = entry.len(),
                    bytes = state.size(),
                    "put aside in host memory"
                );
                entry.location = Location::Saved(state);
                self.entries.put(entry);
            }
            None => self.note_evicted(&entry, "its cells were needed"),
        }
        true
    }

    /// Copies a sequence to host memory, if there is room.
    pub(super) fn save(&mut self, id: SequenceId) -> Option<SavedSequence> {
        let mut state = self.kv.save(id)?;
        if self.params.config.compress_parked {
            match state.packed() {
                Ok(packed) => state = packed,
                Err(error) => {
                    tracing::warn!(
                        target: MEMORY,
                        model = &*self.model,
                        %error,
                        "a state can't be packed: it isn't kept"
                    );
                    return None;
                }
            }
        }
        self.make_bytes(state.size()).then_some(state)
    }

    /// Evicts entries from host memory until `bytes` bytes are free. Returns whether they are.
    pub(super) fn make_bytes(&mut self, bytes: u64) -> bool {
        let most = self.allowance;
        let in_use = self.bytes_in_use();
        if in_use.saturating_add(bytes) > most {
            return false;
        }
        while in_use + self.saved_bytes() + bytes > most {
            // A state stays in memory while it is written.
            let disk = self.disk.cache();
            let least = self.entries.least_valuable(|entry| {
                let is_writing = disk.is_some_and(|disk| disk.is_writing(entry));
                entry.saved().is_some() && !is_writing
            });
            let Some(entry) = least.and_then(|index| self.entries.take(index)) else {
                return false;
            };
            self.note_evicted(&entry, "its host memory was needed");
        }
        true
    }

    /// Takes a running sequence out of its cells, of which the first `computed` tokens are its own.
    /// Its state goes to host memory if there is room; else the sequence is computed again.
    pub(in crate::decode) fn park(&mut self, id: SequenceId, computed: u32) -> Option<ParkedState> {
        self.kv.truncate(id, computed);
        let state = self.save(id);
        self.release(id);
        state.map(|state| self.parked_bytes.hold(state))
    }

    /// Gives a parked sequence a number, and its state if it was kept. Returns the number and the
    /// number of tokens in its cells. `None` if there is no free number.
    pub(in crate::decode) fn resume(
        &mut self,
        parked: Option<&ParkedState>,
    ) -> Option<(SequenceId, u32)> {
        let id = self.number()?;
        let Some(parked) = parked else {
            return Some((id, 0));
        };
        let state = parked.state();
        self.evict_for(u64::from(state.tokens()));
        let tokens = self.kv.restore(id, state, state.tokens());
        Some((id, tokens))
    }

    /// Recreates the context. All sequences and all entries in cells are lost.
    ///
    /// # Errors
    ///
    /// Why llama.cpp can't make one.
    pub(in crate::decode) fn reset(&mut self) -> Result<(), String> {
        self.forget_resident();
        self.kv.reset()
    }

    /// The sequences that a failed step was to move: their cells are not to be trusted.
    pub(in crate::decode) fn take_moved(&mut self) -> Vec<SequenceId> {
        self.kv.take_moved()
    }

    /// Forgets the entries in cells.
    pub(in crate::decode) fn forget_resident(&mut self) {
        for entry in self.entries.take_all(|entry| entry.resident().is_some()) {
            self.drop_entry(&entry);
        }
    }

    /// Forgets all entries, and removes those on disk: the model's file has changed, perhaps so
    /// little that its fingerprint stays.
    pub(in crate::decode) fn forget_all(&mut self) {
        self.await_written();
        for entry in self.entries.take_all(|_| true) {
            self.drop_entry(&entry);
        }
        if let Some(disk) = self.disk.cache_mut() {
            disk.remove_all();
        }
    }

    /// Frees the cells of an entry that was taken out of the prefix cache.
    pub(super) fn drop_entry(&mut self, entry: &CacheEntry) {
        if let Some(id) = entry.resident() {
            self.release(id);
        }
    }

    /// Counts and logs an entry that was evicted from memory.
    pub(super) fn note_evicted(&mut self, entry: &CacheEntry, why: &'static str) {
        self.log_evicted(entry, why);
        self.counters.evicted(entry.is_stored);
    }

    pub(super) fn log_evicted(&self, entry: &CacheEntry, why: &'static str) {
        tracing::debug!(
            target: MEMORY,
            model = &*self.model,
            session = entry.session,
            owner = entry.owner.name(),
            tokens = entry.len(),
            on_disk = entry.is_stored,
            why,
            "evicted"
        );
    }

    /// Whether `owner` may use what `other` computed.
    pub(in crate::decode) fn may_use(&self, owner: &Owner, other: &str) -> bool {
        self.entries.may_use(owner, other)
    }

    /// How many of the first `common` tokens of a computation a request may reuse, of which the
    /// first `exact` were computed in the steps of a deterministic request.
    pub(in crate::decode) fn reusable_tokens(
        &self,
        deterministic: bool,
        common: u32,
        exact: u32,
    ) -> u32 {
        if !deterministic {
            return common;
        }
        // Only tokens that were computed in the same way as now, up to where a step would begin.
        common.min(exact) / self.chunk * self.chunk
    }

    /// Host memory that cannot be freed now: that of parked sequences, and of states that are being
    /// written to disk or read back.
    pub(super) fn bytes_in_use(&self) -> u64 {
        self.parked_bytes.total() + self.bytes_in_flight()
    }

    /// Host memory of states that are being written or read. A state that is also an entry is
    /// counted there.
    fn bytes_in_flight(&self) -> u64 {
        let is_entry = |state: &SavedSequence| {
            let mut saved = self.entries.entries().iter().filter_map(CacheEntry::saved);
            saved.any(|other| other.is_same(state))
        };
        let disk = self.disk.cache();
        disk.map_or(0, |disk| disk.bytes_in_flight(is_entry))
    }

    /// Host memory of entries.
    pub(super) fn saved_bytes(&self) -> u64 {
        let entries = self.entries.entries().iter();
        entries
            .filter_map(CacheEntry::saved)
            .map(SavedSequence::size)
            .sum()
    }

    /// Tokens of entries, in cells or in host memory.
    fn entry_tokens(&self, in_cells: bool) -> u64 {
        let entries = self.entries.entries().iter();
        entries
            .filter(|entry| entry.resident().is_some() == in_cells)
            .map(|entry| u64::from(entry.len()))
            .sum()
    }

    /// How short memory is.
    pub(in crate::decode) fn pressure(&self) -> Pressure {
        self.pressure
    }

    /// Adds the state of the cache to a status.
    pub(in crate::decode) fn report(&self, status: &mut Status) {
        status.parked_bytes = self.parked_bytes.total();
        status.cells_used = self.kv.used();
        status.cells_idle = self.idle_cells();
        status.pressure = self.pressure;
        status.cache = CacheStatus {
            resident_tokens: self.entry_tokens(true),
            saved_tokens: self.entry_tokens(false),
            saved_bytes: self.saved_bytes(),
            ..self.counters
        };
        status.disk = self.disk.cache().map(DiskCache::status);
    }

    /// The sessions with an entry, with the location of the entry and its number of tokens.
    pub(in crate::decode) fn sessions(&self) -> impl Iterator<Item = (u64, SessionState, u32)> {
        self.entries.entries().iter().filter_map(|entry| {
            let state = match entry.resident() {
                Some(_) => SessionState::Resident,
                None => SessionState::Parked,
            };
            Some((entry.session?, state, entry.len()))
        })
    }
}
