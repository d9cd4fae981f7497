//! The prefix cache's files: which states are on disk, and which one is being written or read.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use mynah_core::log::MEMORY;
use mynah_core::{DiskStatus, Owner, TokenId};
use mynah_llama::{SavedForm, SavedSequence};
use mynah_schedule::{Location, PrefixCache};

use super::entry::{CacheEntry, Wanted};
use crate::disk::{
    Damage, Disk, DiskAnswer, DiskTask, FileId, Fingerprint, Folder, FolderError, Header,
};

/// Tokens that an entry must have to be worth a file.
pub(super) const LEAST_STORED: u32 = 64;

/// Where states are kept on disk, and how much of them.
#[derive(Debug, Clone)]
pub(crate) struct DiskCacheParams {
    /// See [`ModelConfig::state_dir`](mynah_settings::ModelConfig::state_dir).
    pub(crate) root: PathBuf,
    pub(crate) fingerprint: Fingerprint,
    /// See [`ModelConfig::max_state_bytes`](mynah_settings::ModelConfig::max_state_bytes).
    pub(crate) max_bytes: u64,
    /// See [`ModelConfig::store_after`](mynah_settings::ModelConfig::store_after).
    pub(crate) store_after: Duration,
}

/// The states on disk, and those on their way there or back. One state at a time goes each way,
/// which bounds the memory that they take.
#[derive(Debug)]
pub(in crate::decode) struct DiskCache {
    disk: Disk,
    folder: Folder,
    files: PrefixCache<TokenId, CachedFile>,
    max_bytes: u64,
    store_after: Duration,
    writing: Option<Writing>,
    reading: Option<Reading>,
    counters: DiskStatus,
}

/// A sequence whose state is in a file.
type FileEntry = mynah_schedule::CacheEntry<TokenId, CachedFile>;

/// A state's file.
#[derive(Debug)]
struct CachedFile {
    id: FileId,
    /// Bytes of the file.
    bytes: u64,
    /// Bytes of the state in it.
    state_bytes: u64,
    form: SavedForm,
}

/// A state that is being written.
#[derive(Debug)]
struct Writing {
    entry: FileEntry,
    state: SavedSequence,
}

/// A state that is being read.
#[derive(Debug, Clone, Copy)]
struct Reading {
    id: FileId,
    state_bytes: u64,
}

impl DiskCache {
    /// Opens a model's folder. `is_open`: owners share their entries. `wake` is called when the
    /// disk has answered.
    ///
    /// # Errors
    ///
    /// [`FolderError`].
    pub(in crate::decode) fn open(
        params: &DiskCacheParams,
        is_open: bool,
        wake: impl Fn() + Send + 'static,
    ) -> Result<Self, FolderError> {
        let (folder, contents) = Folder::open(&params.root, params.fingerprint.clone())?;
        let disk = Disk::start(folder.files(), wake).map_err(|error| FolderError::Io {
            path: params.root.clone(),
            error,
        })?;
        let mut files = PrefixCache::new(is_open);
        for found in contents.found {
            files.put(FileEntry {
                owner: Owner::named(found.header.owner).to_ref(),
                session: None,
                tokens: found.header.tokens.into_iter().map(TokenId).collect(),
                exact: found.header.exact,
                location: Location::Saved(CachedFile {
                    id: found.id,
                    bytes: found.bytes,
                    state_bytes: found.header.bytes,
                    form: found.header.form,
                }),
                is_stored: true,
                used_at: instant_of(found.used_at),
            });
        }
        let mut cache = Self {
            disk,
            folder,
            files,
            max_bytes: params.max_bytes,
            store_after: params.store_after,
            writing: None,
            reading: None,
            counters: DiskStatus {
                max_bytes: params.max_bytes,
                damaged: contents.damaged,
                interrupted: contents.partial,
                ..DiskStatus::default()
            },
        };
        // `max_state_bytes` may be lower than it was.
        cache.make_room(0);
        let status = cache.status();
        tracing::info!(
            target: MEMORY,
            tokens = status.tokens,
            bytes = status.bytes,
            damaged = status.damaged,
            interrupted = status.interrupted,
            "states on disk"
        );
        Ok(cache)
    }

    pub(in crate::decode) fn status(&self) -> DiskStatus {
        let files = self.files.entries().iter();
        DiskStatus {
            tokens: files.map(|entry| u64::from(entry.len())).sum(),
            bytes: self.bytes(),
            ..self.counters
        }
    }

    /// Bytes of the files of this model.
    fn bytes(&self) -> u64 {
        let files = self.files.entries().iter().filter_map(FileEntry::saved);
        files.map(|file| file.bytes).sum()
    }

    /// Makes room for a file of `bytes` bytes. Files of unused models are removed first, then the
    /// least recently used ones of this model. Returns whether there is room.
    fn make_room(&mut self, bytes: u64) -> bool {
        if bytes > self.max_bytes {
            return false;
        }
        while self.bytes() + self.folder.bytes_of_others() + bytes > self.max_bytes {
            if self.folder.remove_other() {
                continue;
            }
            let reading = self.reading.map(|reading| reading.id);
            let least = self.files.least_valuable(|entry| {
                let file = entry.saved();
                file.is_some_and(|file| Some(file.id) != reading)
            });
            let Some(entry) = least.and_then(|index| self.files.take(index)) else {
                return false;
            };
            self.counters.evictions += 1;
            self.remove(&entry);
        }
        true
    }

    fn remove(&self, entry: &FileEntry) {
        if let Some(file) = entry.saved() {
            self.disk.ask(DiskTask::Remove(file.id));
        }
    }

    /// Removes the files of owners that are gone.
    pub(in crate::decode) fn forget_gone(&mut self) {
        for entry in self.files.take_all(|entry| entry.owner.is_gone()) {
            self.remove(&entry);
        }
    }

    /// Begins to write a state. The caller has made sure that nothing else is being written.
    pub(super) fn write(&mut self, from: &CacheEntry, state: SavedSequence) {
        let header = Header {
            fingerprint: self.folder.fingerprint().name().to_owned(),
            owner: from.owner.name().to_owned(),
            is_lasting: from.owner.is_lasting(),
            tokens: from.tokens.iter().map(|token| token.0).collect(),
            exact: from.exact,
            form: state.form(),
            bytes: state.size(),
        };
        let bytes = header.file_bytes();
        if !self.make_room(bytes) {
            self.counters.evictions += 1;
            return;
        }
        let id = self.folder.next_id();
        let file = CachedFile {
            id,
            bytes,
            state_bytes: state.size(),
            form: state.form(),
        };
        let entry = from.stored_at(Location::Saved(file), from.used_at);
        self.disk.ask(DiskTask::Write {
            id,
            header,
            state: state.clone(),
        });
        self.writing = Some(Writing { entry, state });
    }

    /// Whether the state that an entry has in host memory is being written.
    pub(in crate::decode) fn is_writing(&self, entry: &CacheEntry) -> bool {
        let both = self.writing.as_ref().zip(entry.saved());
        both.is_some_and(|(writing, state)| writing.state.is_same(state))
    }

    /// Notes that a state was written, or that it failed.
    pub(super) fn note_written(&mut self, written: std::io::Result<()>) {
        let Some(Writing { entry, .. }) = self.writing.take() else {
            return;
        };
        if let Err(error) = written {
            self.counters.failed += 1;
            tracing::warn!(
                target: MEMORY,
                %error,
                owner = entry.owner.name(),
                tokens = entry.len(),
                "a state can't be written to the state folder: it stays in memory alone"
            );
            return;
        }
        tracing::debug!(
            target: MEMORY,
            owner = entry.owner.name(),
            tokens = entry.len(),
            "written to disk"
        );
        self.counters.written += 1;
        // Files of its prefixes are of no use any more.
        let owner = entry.owner.name();
        let covered = self.files.take_covered(owner, &entry.tokens, entry.exact);
        for covered in &covered {
            self.remove(covered);
        }
        self.files.put(entry);
    }

    /// Whether a state is being written.
    pub(super) fn is_busy_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Host memory of the states that are being written or read. `is_entry`: the state is also an
    /// entry in memory, and counted there.
    pub(super) fn bytes_in_flight(&self, is_entry: impl Fn(&SavedSequence) -> bool) -> u64 {
        let writing = self.writing.as_ref().map(|writing| &writing.state);
        let writing = writing.filter(|state| !is_entry(state));
        writing.map_or(0, SavedSequence::size) + self.reading.map_or(0, |one| one.state_bytes)
    }

    /// How long an entry must be unused to be written.
    pub(super) fn store_after(&self) -> Duration {
        self.store_after
    }

    /// Whether a file has all of these tokens.
    pub(super) fn has(&self, owner: &str, tokens: &[TokenId], exact: u32) -> bool {
        self.files.has(owner, tokens, exact)
    }

    /// The file with the longest usable prefix of a prompt. `usable` returns how many tokens of a
    /// common prefix can be reused, given the number of exact ones.
    pub(super) fn lookup(
        &self,
        wanted: Wanted<'_>,
        usable: impl Fn(u32, u32) -> u32,
    ) -> Option<FileHit> {
        let (index, tokens) = self
            .files
            .best(wanted.owner, wanted.tokens, |entry, common| {
                let tokens = usable(common, entry.exact);
                let file = entry.saved();
                file.map_or(0, |file| file.form.usable(tokens))
            })?;
        let file = self.files.get(index)?.saved()?;
        Some(FileHit {
            id: file.id,
            state_bytes: file.state_bytes,
            tokens,
        })
    }

    /// The state that is being read: its file, and the host memory that it will take.
    pub(super) fn reading(&self) -> Option<(FileId, u64)> {
        self.reading
            .map(|reading| (reading.id, reading.state_bytes))
    }

    /// Begins to read a file. The caller has made sure that nothing else is being read.
    pub(super) fn read(&mut self, hit: FileHit) {
        self.reading = Some(Reading {
            id: hit.id,
            state_bytes: hit.state_bytes,
        });
        self.disk.ask(DiskTask::Read(hit.id));
    }

    /// An answer of the disk, if there is one.
    pub(super) fn answer(&self) -> Option<DiskAnswer> {
        self.disk.answer()
    }

    /// Waits for the next answer of the disk.
    pub(super) fn wait(&self) -> DiskAnswer {
        self.disk.wait()
    }

    /// Removes the files of owners that cannot exist after the next start.
    pub(super) fn remove_transient(&mut self) {
        self.remove_where(|entry| !entry.owner.is_lasting());
    }

    /// Removes all files of this model.
    pub(super) fn remove_all(&mut self) {
        self.remove_where(|_| true);
    }

    fn remove_where(&mut self, goes: impl Fn(&FileEntry) -> bool) {
        for entry in self.files.take_all(goes) {
            self.remove(&entry);
        }
    }

    /// Notes that a state was read, or that it failed. Returns the entry that goes to memory.
    pub(super) fn note_read(
        &mut self,
        id: FileId,
        read: Result<SavedSequence, Damage>,
        now: Instant,
    ) -> Option<CacheEntry> {
        self.reading = None;
        let is_file = |entry: &FileEntry| entry.saved().is_some_and(|file| file.id == id);
        let index = self.files.entries().iter().position(is_file)?;
        let entry = self.files.get(index)?;
        let damage = match read {
            Ok(state) if state.tokens() == entry.len() => {
                let back = entry.stored_at(Location::Saved(state), now);
                self.files.touch(index, now);
                tracing::debug!(
                    target: MEMORY,
                    owner = back.owner.name(),
                    tokens = back.len(),
                    "read from disk"
                );
                self.counters.read += 1;
                return Some(back);
            }
            Ok(_) => Damage::State,
            Err(damage) => damage,
        };
        let entry = self.files.take(index)?;
        tracing::warn!(
            target: MEMORY,
            %damage,
            owner = entry.owner.name(),
            tokens = entry.len(),
            "a state on disk is of no use: what it held is computed again"
        );
        self.counters.damaged += 1;
        self.remove(&entry);
        None
    }
}

/// A file that has a prefix of a prompt.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileHit {
    pub(super) id: FileId,
    pub(super) state_bytes: u64,
    /// Tokens of the prefix.
    pub(super) tokens: u32,
}

/// Whether an entry is not on disk, and worth being there.
pub(in crate::decode) fn is_to_be_written(entry: &CacheEntry) -> bool {
    !entry.is_stored && entry.len() >= LEAST_STORED && !entry.owner.is_gone()
}

/// The time of a file on this process's clock, which may begin later.
fn instant_of(time: SystemTime) -> Instant {
    let now = Instant::now();
    let age = SystemTime::now().duration_since(time).unwrap_or_default();
    now.checked_sub(age).unwrap_or(now)
}
