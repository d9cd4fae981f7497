//! Writes entries to disk that were not used for a while, and reads files back for prompts with the
//! same beginning.

use std::time::Instant;

use mynah_core::log::MEMORY;

use super::disk_cache::{DiskCache, LEAST_STORED, is_to_be_written};
use super::disk_state::DiskState;
use super::entry::{CacheEntry, Wanted};
use super::lookup::LEAST_GAIN;
use super::manager::CacheManager;
use crate::decode::executor::Executor;
use crate::disk::DiskAnswer;

impl<C: Executor> CacheManager<C> {
    /// Handles the answers of the disk thread.
    pub(super) fn take_answers(&mut self, now: Instant) {
        self.disk.poll();
        while let Some(done) = self.disk.cache().and_then(DiskCache::answer) {
            self.take_answer(done, now);
        }
    }

    fn take_answer(&mut self, done: DiskAnswer, now: Instant) {
        let Some(disk) = self.disk.cache_mut() else {
            return;
        };
        match done {
            DiskAnswer::Written(written) => disk.note_written(written),
            DiskAnswer::Read(id, read) => {
                if let Some(entry) = disk.note_read(id, read, now) {
                    self.entries.put(entry);
                }
            }
            DiskAnswer::Lost => {
                tracing::error!(
                    target: MEMORY,
                    "the thread that keeps states on disk is lost: none are kept there any more"
                );
                self.disk = DiskState::Off;
            }
        }
    }

    /// Begins to write the next entry that has not been used for long enough, unless one is being
    /// written.
    pub(in crate::decode) fn write_back(&mut self, now: Instant) {
        while let Some(index) = self.next_to_write(|_| true)
            && self.due_at(index).is_some_and(|due| due <= now)
        {
            self.write(index);
        }
    }

    /// When the next entry is to be written.
    pub(super) fn next_write(&self) -> Option<Instant> {
        self.due_at(self.next_to_write(|_| true)?)
    }

    fn due_at(&self, index: usize) -> Option<Instant> {
        let disk = self.disk.cache()?;
        let entry = self.entries.get(index)?;
        entry.used_at.checked_add(disk.store_after())
    }

    /// The next entry to write among those that `among` accepts, unless one is being written.
    pub(super) fn next_to_write(&self, among: impl Fn(&CacheEntry) -> bool) -> Option<usize> {
        if self.disk.cache()?.is_busy_writing() {
            return None;
        }
        self.entries
            .least_valuable(|entry| is_to_be_written(entry) && among(entry))
    }

    /// Begins to write an entry. It is tried once, whether or not there is room for it.
    pub(super) fn write(&mut self, index: usize) {
        self.entries.note_stored(index);
        let Some(entry) = self.entries.get(index) else {
            return;
        };
        let Some(id) = entry.resident() else {
            let state = entry.saved().cloned();
            if let (Some(state), Some(disk)) = (state, self.disk.cache_mut()) {
                disk.write(entry, state);
            }
            return;
        };
        // This may evict other entries, which changes indices.
        let Some(state) = self.save(id) else {
            return;
        };
        let mut entries = self.entries.entries().iter();
        let entry = entries.find(|entry| entry.resident() == Some(id));
        if let (Some(entry), Some(disk)) = (entry, self.disk.cache_mut()) {
            disk.write(entry, state);
        }
    }

    /// Writes all entries that can be asked for after the next start, and waits until they are
    /// written: the model leaves memory.
    pub(in crate::decode) fn write_all(&mut self) {
        self.await_written();
        while let Some(entry) = self.take_unwritten() {
            let state = match entry.resident() {
                Some(id) => self.save(id),
                None => entry.saved().cloned(),
            };
            if let (Some(state), Some(disk)) = (state, self.disk.cache_mut()) {
                disk.write(&entry, state);
            }
            self.drop_entry(&entry);
            self.await_written();
        }
        if let Some(disk) = self.disk.cache_mut() {
            disk.remove_transient();
        }
    }

    /// Takes an entry out that is not on disk, and can be asked for after the next start.
    fn take_unwritten(&mut self) -> Option<CacheEntry> {
        let disk = self.disk.cache()?;
        let index = self.entries.least_valuable(|entry| {
            entry.owner.is_lasting()
                && entry.len() >= LEAST_STORED
                && !disk.has(entry.owner.name(), &entry.tokens, entry.exact)
        });
        self.entries.take(index?)
    }

    pub(super) fn await_written(&mut self) {
        while let Some(disk) = self.disk.cache()
            && disk.is_busy_writing()
        {
            let done = disk.wait();
            self.take_answer(done, Instant::now());
        }
    }

    /// Whether a file has a prefix that is much longer than the `available` tokens. Then that file
    /// is being read, or will be after the one that is being read now.
    pub(in crate::decode) fn fetch(&mut self, wanted: Wanted<'_>, available: u32) -> bool {
        let Some(disk) = self.disk.cache() else {
            return false;
        };
        let usable = |common, exact| self.reusable_tokens(wanted.deterministic, common, exact);
        let hit = disk.lookup(wanted, usable);
        let Some(hit) = hit.filter(|hit| hit.tokens >= available.saturating_add(LEAST_GAIN)) else {
            return false;
        };
        if let Some((id, state_bytes)) = disk.reading() {
            // Once the other state has been read, it can be evicted to make room.
            let others = self.bytes_in_use() - state_bytes;
            return id == hit.id || others + hit.state_bytes <= self.allowance;
        }
        let is_writing = disk.is_busy_writing();
        if !self.make_bytes(hit.state_bytes) {
            // A state stays in memory while it is written, and the disk answers after that. Nothing
            // else could make room later.
            return is_writing && self.bytes_in_use() + hit.state_bytes <= self.allowance;
        }
        if let Some(disk) = self.disk.cache_mut() {
            disk.read(hit);
        }
        true
    }
}
