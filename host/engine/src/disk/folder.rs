//! The files of one model in a state folder: `FOLDER/FINGERPRINT/NUMBER.state`. A file is written
//! under another name and then renamed. So a file with this name is whole even if the process ends
//! at any moment. There is no such promise if the machine does.
//!
//! Other programs may keep files there too. A folder of states has a lock file with a mark, and
//! each state begins with one. Nothing without a mark is changed or removed, whatever its name is.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use mynah_core::files::{self, FolderRefused};
use mynah_llama::SavedSequence;

use super::Fingerprint;
use super::file::{Damage, Header, is_marked};

/// Extension of a file that is whole.
const WHOLE: &str = "state";

/// Extension of a file that is being written.
const PARTIAL: &str = "partial";

/// Name of the file whose lock a process holds while it uses the folder.
const LOCK: &str = "lock";

/// Content of the lock file. Version 0.1.0 wrote an empty one.
const LOCK_MARK: &[u8] = b"The folder of a model's states, written by Mynah.\n";

/// A state's number in its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FileId(u64);

/// The files of one model. No other process touches them meanwhile.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    fingerprint: Fingerprint,
    /// Files of models that no process uses now, the oldest last.
    others: Vec<Other>,
    next: u64,
    // Held while the folder is used.
    _lock: File,
}

/// A file of another model.
#[derive(Debug)]
struct Other {
    folder: PathBuf,
    path: PathBuf,
    bytes: u64,
    used_at: SystemTime,
}

/// A state that was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) id: FileId,
    pub(crate) header: Header,
    /// Bytes of its file.
    pub(crate) bytes: u64,
    /// When it was written or last read.
    pub(crate) used_at: SystemTime,
}

/// What a folder held when it was opened.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) found: Vec<Found>,
    /// Files that were damaged, or not what their name says. Those with Mynah's mark were removed.
    pub(crate) damaged: u64,
    /// Files that were removed because the process ended while it was writing them.
    pub(crate) partial: u64,
}

/// Why a folder can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{}: another process or model keeps its states there", path.display())]
    InUse { path: PathBuf },
    #[error("{0}")]
    Refused(#[from] FolderRefused),
    #[error("{} is not Mynah's, so nothing is stored beside it: name another folder",
        path.display())]
    Foreign { path: PathBuf },
}

impl Folder {
    /// Opens the folder of one model below `root`, or makes it. Returns the files in it, and
    /// removes those that are of no use any more.
    ///
    /// # Errors
    ///
    /// [`FolderError`].
    pub(crate) fn open(
        root: &Path,
        fingerprint: Fingerprint,
    ) -> Result<(Self, Contents), FolderError> {
        let path = root.join(fingerprint.name());
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error| FolderError::Io { path, error }
        };
        files::private_folder(root)?;
        files::private_folder(&path)?;
        let lock = lock(&path, Place::Own)?;
        let mut folder = Self {
            others: others(root, &path),
            path,
            fingerprint,
            next: 0,
            _lock: lock,
        };
        let contents = folder.look().map_err(at(&folder.path))?;
        Ok((folder, contents))
    }

    fn look(&mut self) -> io::Result<Contents> {
        let mut contents = Contents::default();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            // No new file gets the number of a file that stays, whoever wrote it.
            let Some((id, ending)) = parse(&path) else {
                continue;
            };
            self.next = self.next.max(id.0.saturating_add(1));
            match ending {
                Ending::Partial if is_ours(&path) => {
                    tracing::warn!(
                        path = %path.display(),
                        "this state was being written when the process ended: it is lost"
                    );
                    contents.partial += 1;
                    remove(&path);
                }
                Ending::Partial => {}
                Ending::Whole => match self.found(&path, id) {
                    Ok(Some(found)) => contents.found.push(found),
                    // Its owner ended with the process that wrote it.
                    Ok(None) => remove(&path),
                    Err(damage) => {
                        tracing::warn!(
                            path = %path.display(),
                            %damage,
                            "a state on disk is of no use: what it held is computed again when it \
                             is asked for"
                        );
                        contents.damaged += 1;
                        remove(&path);
                    }
                },
            }
        }
        Ok(contents)
    }

    /// What a file holds; `None` if no owner can ask for it.
    fn found(&self, path: &Path, id: FileId) -> Result<Option<Found>, Damage> {
        let file = files::open(path)?;
        let about = file.metadata()?;
        let header = Header::read(&mut BufReader::new(file))?;
        if header.fingerprint != self.fingerprint.name() {
            return Err(Damage::Foreign);
        }
        let expected = header.file_bytes();
        let is_whole = about.len() == expected
            && usize::try_from(header.form.tokens()) == Ok(header.tokens.len());
        if !is_whole {
            return Err(Damage::CutOff);
        }
        Ok(header.is_lasting.then(|| Found {
            id,
            bytes: expected,
            used_at: about.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            header,
        }))
    }

    /// A number for a new file.
    pub(crate) fn next_id(&mut self) -> FileId {
        let id = FileId(self.next);
        self.next += 1;
        id
    }

    /// The model that the states belong to.
    pub(crate) fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Bytes of the files of models that no process uses now.
    pub(crate) fn bytes_of_others(&self) -> u64 {
        self.others.iter().map(|other| other.bytes).sum()
    }

    /// Removes the oldest file of a model that no process uses. The files of a model that a process
    /// has begun to use no longer count. Returns whether there was any file.
    pub(crate) fn remove_other(&mut self) -> bool {
        let Some(oldest) = self.others.pop() else {
            return false;
        };
        // Held until the file is removed, so that no process begins to use it meanwhile.
        match lock(&oldest.folder, Place::Other) {
            Ok(_lock) => remove(&oldest.path),
            Err(_) => self.others.retain(|other| other.folder != oldest.folder),
        }
        true
    }

    /// Where the files are, for the thread that reads and writes them.
    pub(crate) fn files(&self) -> Files {
        Files {
            path: self.path.clone(),
        }
    }
}

/// The files of a folder, to be read and written.
#[derive(Debug)]
pub(crate) struct Files {
    path: PathBuf,
}

impl Files {
    fn path(&self, id: FileId, ending: &str) -> PathBuf {
        self.path.join(format!("{}.{ending}", name(id.0)))
    }

    /// Writes a state.
    ///
    /// # Errors
    ///
    /// The file system's. Then there is no file.
    pub(crate) fn write(&self, id: FileId, header: &Header, state: &[u8]) -> io::Result<()> {
        let partial = self.path(id, PARTIAL);
        // Whoever took one of the names keeps it.
        let file = files::create_new(&partial)?;
        let mut to = BufWriter::new(file);
        let written = header
            .write(state, &mut to)
            .and_then(|()| to.flush())
            .and_then(|()| files::rename_new(&partial, &self.path(id, WHOLE)));
        drop(to);
        if written.is_err() {
            remove(&partial);
        }
        written
    }

    /// Reads a state, and notes the time of its use.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn read(&self, id: FileId) -> Result<SavedSequence, Damage> {
        let mut from = BufReader::new(files::open(&self.path(id, WHOLE))?);
        let header = Header::read(&mut from)?;
        // Only the order of eviction after the next start depends on it.
        let _ = from.get_ref().set_modified(SystemTime::now());
        header.read_state(&mut from)
    }

    /// Removes a state.
    pub(crate) fn remove(&self, id: FileId) {
        remove(&self.path(id, WHOLE));
    }
}

/// What a file's name says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Whole,
    Partial,
}

/// The number and the ending in a file's name; `None` for a name that this program does not give.
fn parse(path: &Path) -> Option<(FileId, Ending)> {
    let (number, ending) = path.file_name()?.to_str()?.split_once('.')?;
    let ending = match ending {
        WHOLE => Ending::Whole,
        PARTIAL => Ending::Partial,
        _ => return None,
    };
    let id = u64::from_str_radix(number, 16).ok()?;
    (number == name(id)).then_some((FileId(id), ending))
}

/// A number as it is in the names of files.
fn name(id: u64) -> String {
    format!("{id:016x}")
}

/// Whether this program wrote the file: a regular file with the mark.
fn is_ours(path: &Path) -> bool {
    files::open(path).is_ok_and(|mut file| is_marked(&mut file))
}

/// Removes a file of this program that is of no use any more. If that fails, the next start looks
/// at it again.
fn remove(path: &Path) {
    match files::open(path).map(|mut file| is_marked(&mut file)) {
        Ok(true) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        _ => {
            tracing::warn!(path = %path.display(), "this file is not Mynah's: it stays");
            return;
        }
    }
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "a state on disk can't be removed");
    }
}

/// Whose folder is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The folder of this model, which gets a lock file with the mark.
    Own,
    /// A folder that may be another model's: if it has a lock file with the mark, or an empty one
    /// and a fingerprint for a name.
    Other,
}

/// Opens the lock file of a folder and locks it.
fn lock(path: &Path, place: Place) -> Result<File, FolderError> {
    let at = path.join(LOCK);
    let failed = |error| FolderError::Io {
        path: at.clone(),
        error,
    };
    let opened = match place {
        Place::Own => files::open_or_create(&at),
        Place::Other => files::open_existing(&at),
    };
    let mut file = opened.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(FolderError::InUse {
                path: path.to_owned(),
            });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    let mut content = Vec::new();
    let most = LOCK_MARK.len() as u64 + 1;
    let read = (&mut file).take(most).read_to_end(&mut content);
    read.map_err(failed)?;
    let name = path.file_name().and_then(|name| name.to_str());
    match (place, content.is_empty()) {
        (Place::Own, true) => file.write_all(LOCK_MARK).map_err(failed)?,
        (Place::Other, true) if name.is_some_and(Fingerprint::is_name) => {}
        _ if content == LOCK_MARK => {}
        _ => return Err(FolderError::Foreign { path: at }),
    }
    Ok(file)
}

/// The files of the models that no process uses now, the oldest last. Files that can't be looked at
/// are not counted.
fn others(root: &Path, own: &Path) -> Vec<Other> {
    let folders = fs::read_dir(root).into_iter().flatten().flatten();
    let folders = folders.map(|entry| entry.path());
    let mut others = Vec::new();
    for folder in folders.filter(|folder| folder != own) {
        // The process that uses it observes the limit itself.
        if files::check_private(&folder).is_err() || lock(&folder, Place::Other).is_err() {
            continue;
        }
        let files = fs::read_dir(&folder).into_iter().flatten().flatten();
        others.extend(files.filter_map(|entry| {
            let path = entry.path();
            let about = entry.metadata().ok()?;
            (parse(&path).is_some() && is_ours(&path)).then(|| Other {
                folder: folder.clone(),
                path,
                bytes: about.len(),
                used_at: about.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            })
        }));
    }
    others.sort_unstable_by_key(|other| std::cmp::Reverse(other.used_at));
    others
}

#[cfg(test)]
mod tests;
