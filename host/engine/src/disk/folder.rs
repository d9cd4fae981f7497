//! The files of one model in a state folder: `FOLDER/FINGERPRINT/NUMBER.state`. A file is written
//! under another name and then renamed. So a file with this name is whole even if the process ends
//! at any moment. There is no such promise if the machine does.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use mynah_llama::SavedSequence;

use super::Fingerprint;
use super::file::{Damage, Header};

/// Extension of a file that is whole.
const WHOLE: &str = "state";

/// Extension of a file that is being written.
const PARTIAL: &str = "partial";

/// Name of the file whose lock a process holds while it uses the folder.
const LOCK: &str = "lock";

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
    /// Files that were removed because they were damaged or not what their name says.
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
        make_private(&path).map_err(at(&path))?;
        let lock = lock(&path)?;
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
            let ending = path.extension().and_then(|ending| ending.to_str());
            match ending {
                Some(PARTIAL) => {
                    tracing::warn!(
                        path = %path.display(),
                        "this state was being written when the process ended: it is lost"
                    );
                    contents.partial += 1;
                    remove(&path);
                }
                Some(WHOLE) => match self.found(&path) {
                    Ok(Some(found)) => {
                        self.next = self.next.max(found.id.0.saturating_add(1));
                        contents.found.push(found);
                    }
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
                // The lock, and files that are not Mynah's.
                _ => {}
            }
        }
        Ok(contents)
    }

    /// What a file holds; `None` if no owner can ask for it.
    fn found(&self, path: &Path) -> Result<Option<Found>, Damage> {
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let id = stem.and_then(|stem| u64::from_str_radix(stem, 16).ok());
        let id = FileId(id.ok_or(Damage::Magic)?);
        let file = File::open(path)?;
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
        match lock(&oldest.folder) {
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
        self.path.join(format!("{:016x}.{ending}", id.0))
    }

    /// Writes a state.
    ///
    /// # Errors
    ///
    /// The file system's. Then there is no file.
    pub(crate) fn write(&self, id: FileId, header: &Header, state: &[u8]) -> io::Result<()> {
        let partial = self.path(id, PARTIAL);
        let written = create_private(&partial).and_then(|file| {
            let mut to = BufWriter::new(file);
            header.write(state, &mut to)?;
            to.flush()?;
            drop(to);
            fs::rename(&partial, self.path(id, WHOLE))
        });
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
        let file = File::open(self.path(id, WHOLE))?;
        // Only the order of eviction after the next start depends on it.
        let _ = file.set_modified(SystemTime::now());
        let mut from = BufReader::new(file);
        Header::read(&mut from)?.read_state(&mut from)
    }

    /// Removes a state.
    pub(crate) fn remove(&self, id: FileId) {
        remove(&self.path(id, WHOLE));
    }
}

/// Removes a file that is of no use any more. If that fails, the next start looks at it again.
fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "a state on disk can't be removed");
    }
}

/// Makes a folder that only its user can read: states hold what guests said.
fn make_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Makes a file that only its user can read.
fn create_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn lock(path: &Path) -> Result<File, FolderError> {
    let at = path.join(LOCK);
    let file = create_private(&at).map_err(|error| FolderError::Io {
        path: at.clone(),
        error,
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(FolderError::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(FolderError::Io { path: at, error }),
    }
}

/// The files of the models that no process uses now, the oldest last. Files that can't be looked at
/// are not counted.
fn others(root: &Path, own: &Path) -> Vec<Other> {
    let folders = fs::read_dir(root).into_iter().flatten().flatten();
    let folders = folders.map(|entry| entry.path());
    let mut others = Vec::new();
    for folder in folders.filter(|folder| folder.join(LOCK).exists() && folder != own) {
        // The process that uses it observes the limit itself.
        if lock(&folder).is_err() {
            continue;
        }
        let files = fs::read_dir(&folder).into_iter().flatten().flatten();
        others.extend(files.filter_map(|entry| {
            let path = entry.path();
            let ending = path.extension().and_then(|ending| ending.to_str());
            let about = entry.metadata().ok()?;
            matches!(ending, Some(WHOLE | PARTIAL)).then(|| Other {
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
