//! What was left behind, on disk: written when nobody has asked for it for a while, read back for a
//! prompt that begins alike.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use crate::llama::TokenId;

use super::lookup::{LEAST_GAIN, all_but_last};
use super::retain::CacheEntry;
use super::store_wait::StoreWait;
use crate::decode::engine::Engine;
use crate::decode::executor::Executor;
use crate::disk::{Damage, Disk, Done, FileId, Fingerprint, Folder, FolderError, Header, Task};
use crate::llama::{SavedForm, SavedSequence};
use crate::log::MEMORY;
use crate::memory::{Entry, Place, Shelf};
use crate::{DiskStatus, Owner};

/// Tokens that are worth a file.
const LEAST_STORED: u32 = 64;

/// Where states are kept on disk, and how much of them.
#[derive(Debug, Clone)]
pub(crate) struct DiskCacheParams {
    /// See [`ModelConfig::state_dir`](crate::ModelConfig::state_dir).
    pub(crate) root: PathBuf,
    pub(crate) fingerprint: Fingerprint,
    /// See [`ModelConfig::max_state_bytes`](crate::ModelConfig::max_state_bytes).
    pub(crate) max_bytes: u64,
    /// See [`ModelConfig::store_after`](crate::ModelConfig::store_after).
    pub(crate) store_after: Duration,
}

/// What is on disk, and what is on its way there or back. One state at a time goes each way, which
/// bounds the memory that they take.
#[derive(Debug)]
pub(in crate::decode) struct DiskCache {
    disk: Disk,
    folder: Folder,
    files: Shelf<TokenId, CachedFile>,
    max_bytes: u64,
    store_after: Duration,
    writing: Option<Writing>,
    reading: Option<Reading>,
    counters: DiskStatus,
}

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
    entry: Entry<TokenId, CachedFile>,
    state: SavedSequence,
}

/// A state that is being read.
#[derive(Debug, Clone, Copy)]
struct Reading {
    id: FileId,
    state_bytes: u64,
}

impl DiskCache {
    /// Opens a model's folder. `is_open`: owners use what others left; `wake` is called when the
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
        let mut files = Shelf::new(is_open);
        for found in contents.found {
            files.put(Entry {
                owner: Owner::named(found.header.owner).to_ref(),
                session: None,
                tokens: found.header.tokens.into_iter().map(TokenId).collect(),
                exact: found.header.exact,
                place: Place::Saved(CachedFile {
                    id: found.id,
                    bytes: found.bytes,
                    state_bytes: found.header.bytes,
                    form: found.header.form,
                }),
                is_stored: true,
                used_at: instant_of(found.used_at),
            });
        }
        let mut stored = Self {
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
        // The bound may be lower than it was.
        stored.make_room(0);
        let status = stored.status();
        tracing::info!(
            target: MEMORY,
            tokens = status.tokens,
            bytes = status.bytes,
            damaged = status.damaged,
            interrupted = status.interrupted,
            "states on disk"
        );
        Ok(stored)
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
        let files = self.files.entries().iter().filter_map(Entry::saved);
        files.map(|file| file.bytes).sum()
    }

    /// Makes room for a file of so many bytes: files of models that nobody uses go first, then what
    /// was of no use for longest. Says whether there is.
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

    fn remove(&self, entry: &Entry<TokenId, CachedFile>) {
        if let Some(file) = entry.saved() {
            self.disk.ask(Task::Remove(file.id));
        }
    }

    /// Forgets what nobody can ask for any more.
    pub(in crate::decode) fn forget_gone(&mut self) {
        for entry in self.files.take_all(|entry| entry.owner.is_gone()) {
            self.remove(&entry);
        }
    }

    /// Begins to write a state. Nothing else is being written.
    fn write(&mut self, from: &CacheEntry, state: SavedSequence) {
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
        let entry = from.stored_at(Place::Saved(file), from.used_at);
        self.disk.ask(Task::Write {
            id,
            header,
            state: state.clone(),
        });
        self.writing = Some(Writing { entry, state });
    }

    /// Whether what an entry has in host memory is being written.
    pub(in crate::decode) fn is_writing(&self, entry: &CacheEntry) -> bool {
        let both = self.writing.as_ref().zip(entry.saved());
        both.is_some_and(|(writing, state)| writing.state.is_same(state))
    }

    /// A state was written, or not.
    fn note_written(&mut self, written: std::io::Result<()>) {
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
        tracing::debug!(target: MEMORY, owner = entry.owner.name(), tokens = entry.len(), "written to disk");
        self.counters.written += 1;
        // What it begins with has served until now.
        let owner = entry.owner.name();
        let covered = self.files.take_covered(owner, &entry.tokens, entry.exact);
        for covered in &covered {
            self.remove(covered);
        }
        self.files.put(entry);
    }

    /// A state was read, or not: what goes back to memory.
    fn note_read(
        &mut self,
        id: FileId,
        read: Result<SavedSequence, Damage>,
        now: Instant,
    ) -> Option<CacheEntry> {
        self.reading = None;
        let is_file =
            |entry: &Entry<_, CachedFile>| entry.saved().is_some_and(|file| file.id == id);
        let index = self.files.entries().iter().position(is_file)?;
        let entry = self.files.get(index)?;
        let damage = match read {
            Ok(state) if state.tokens() == entry.len() => {
                let back = entry.stored_at(Place::Saved(state), now);
                self.files.touch(index, now);
                tracing::debug!(target: MEMORY, owner = back.owner.name(), tokens = back.len(), "read from disk");
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

impl<C: Executor> Engine<'_, C> {
    /// Bytes of host memory that are taken by what is on its way to disk or back.
    pub(in crate::decode) fn bytes_on_their_way(&self) -> u64 {
        let Some(stored) = &self.stored else {
            return 0;
        };
        let writing = stored.writing.as_ref().map(|writing| &writing.state);
        // One that is on the shelf is counted there.
        let is_there = |state: &SavedSequence| {
            let mut saved = self.shelf.entries().iter().filter_map(Entry::saved);
            saved.any(|other| other.is_same(state))
        };
        let writing = writing.filter(|state| !is_there(state));
        writing.map_or(0, SavedSequence::size)
            + stored.reading.map_or(0, |reading| reading.state_bytes)
    }

    /// Takes what the disk has answered.
    pub(in crate::decode) fn note_disk(&mut self, now: Instant) {
        if let Some(stored) = self.awaited.as_ref().and_then(StoreWait::take) {
            (self.stored, self.awaited) = (Some(stored), None);
        }
        while let Some(done) = self.stored.as_ref().and_then(|stored| stored.disk.answer()) {
            self.note_done(done, now);
        }
    }

    fn note_done(&mut self, done: Done, now: Instant) {
        let Some(stored) = &mut self.stored else {
            return;
        };
        match done {
            Done::Written(written) => stored.note_written(written),
            Done::Read(id, read) => {
                if let Some(entry) = stored.note_read(id, read, now) {
                    self.shelf.put(entry);
                }
            }
            Done::Lost => {
                tracing::error!(
                    target: MEMORY,
                    "the thread that keeps states on disk is lost: none are kept there any more"
                );
                self.stored = None;
            }
        }
    }

    /// Begins to write what nobody has asked for for a while, if nothing is being written.
    pub(in crate::decode) fn write_behind(&mut self, now: Instant) {
        while let Some(index) = self.next_to_write(|_| true)
            && self.due_at(index).is_some_and(|due| due <= now)
        {
            self.store(index);
        }
    }

    /// When there is something to write.
    pub(in crate::decode) fn next_write(&self) -> Option<Instant> {
        self.due_at(self.next_to_write(|_| true)?)
    }

    fn due_at(&self, index: usize) -> Option<Instant> {
        let stored = self.stored.as_ref()?;
        let entry = self.shelf.get(index)?;
        entry.used_at.checked_add(stored.store_after)
    }

    /// What to write next among what `among` takes, if nothing is being written.
    pub(in crate::decode) fn next_to_write(
        &self,
        among: impl Fn(&CacheEntry) -> bool,
    ) -> Option<usize> {
        let stored = self.stored.as_ref()?;
        if stored.writing.is_some() {
            return None;
        }
        self.shelf
            .least_valuable(|entry| is_to_be_written(entry) && among(entry))
    }

    /// Begins to write an entry of the shelf. Once: what has no room now is not tried again and
    /// again.
    pub(in crate::decode) fn store(&mut self, index: usize) {
        self.shelf.note_stored(index);
        let Some(entry) = self.shelf.get(index) else {
            return;
        };
        let Some(id) = entry.resident() else {
            let state = entry.saved().cloned();
            if let (Some(state), Some(stored)) = (state, &mut self.stored) {
                stored.write(entry, state);
            }
            return;
        };
        // This may take others off the shelf, and then places in it change.
        let Some(state) = self.put_aside(id) else {
            return;
        };
        let mut entries = self.shelf.entries().iter();
        let entry = entries.find(|entry| entry.resident() == Some(id));
        if let (Some(entry), Some(stored)) = (entry, &mut self.stored) {
            stored.write(entry, state);
        }
    }

    /// The model goes: writes what can be asked for after the next start, and waits until it is
    /// written.
    pub(in crate::decode) fn store_all(&mut self) {
        self.await_written();
        while let Some(entry) = self.take_unwritten() {
            let state = match entry.resident() {
                Some(id) => self.put_aside(id),
                None => entry.saved().cloned(),
            };
            if let (Some(state), Some(stored)) = (state, &mut self.stored) {
                stored.write(&entry, state);
            }
            self.drop_entry(&entry);
            self.await_written();
        }
        if let Some(stored) = &mut self.stored {
            for entry in stored.files.take_all(|entry| !entry.owner.is_lasting()) {
                stored.remove(&entry);
            }
        }
    }

    /// Takes something off the shelf that is not on disk, and can be asked for after the next
    /// start.
    fn take_unwritten(&mut self) -> Option<CacheEntry> {
        let stored = self.stored.as_ref()?;
        let index = self.shelf.least_valuable(|entry| {
            let (owner, tokens) = (entry.owner.name(), &entry.tokens);
            entry.owner.is_lasting()
                && entry.len() >= LEAST_STORED
                && !stored.files.has(owner, tokens, entry.exact)
        });
        self.shelf.take(index?)
    }

    fn await_written(&mut self) {
        while let Some(stored) = &self.stored
            && stored.writing.is_some()
        {
            let done = stored.disk.wait();
            self.note_done(done, Instant::now());
        }
    }

    /// Whether much more of a running sequence is on disk than is there. Then it is being read, or
    /// will be after what is being read now.
    pub(in crate::decode) fn comes_from_disk(&mut self, index: usize, there: u32) -> bool {
        let (Some(stored), Some(sequence)) = (&self.stored, self.running.get(index)) else {
            return false;
        };
        let wanted = all_but_last(sequence.tokens());
        let deterministic = sequence.is_deterministic();
        let best = stored.files.best(&sequence.owner, wanted, |entry, common| {
            let tokens = self.reusable_tokens(deterministic, common, entry.exact);
            let file = entry.saved();
            file.map_or(0, |file| file.form.usable(tokens))
        });
        let best = best.filter(|(_, tokens)| *tokens >= there.saturating_add(LEAST_GAIN));
        let file = best.and_then(|(index, _)| stored.files.get(index)?.saved());
        let Some(&CachedFile {
            id, state_bytes, ..
        }) = file
        else {
            return false;
        };
        if let Some(reading) = stored.reading {
            // When another one has come, it can be forgotten again to make room.
            let others = self.bytes_in_use() - reading.state_bytes;
            return reading.id == id || others + state_bytes <= self.ease.allowance;
        }
        let is_writing = stored.writing.is_some();
        if !self.make_bytes(state_bytes) {
            // What is being written stays in memory until it is, and then the disk answers. Nothing
            // else could make room later.
            return is_writing && self.bytes_in_use() + state_bytes <= self.ease.allowance;
        }
        if let Some(stored) = &mut self.stored {
            stored.reading = Some(Reading { id, state_bytes });
            stored.disk.ask(Task::Read(id));
        }
        true
    }
}
