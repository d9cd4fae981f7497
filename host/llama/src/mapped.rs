//! The files of a model, which must not change while llama.cpp has them mapped.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

#[cfg(target_os = "linux")]
use super::bus_errors::Watched;

/// The files of a model as they were when this was made, to notice when one of them changes.
///
/// A file that is removed, or replaced by another one under the same name, does not change: the
/// mapping keeps the old one.
#[derive(Debug)]
pub struct MappedFiles {
    path: PathBuf,
    files: Vec<MappedFile>,
    has_changed: AtomicBool,
}

#[derive(Debug)]
struct MappedFile {
    file: File,
    was: Stamp,
    /// `None`: a mapping that loses its pages ends the process.
    #[cfg(target_os = "linux")]
    watched: Option<Watched>,
}

/// What changes with the contents of a file.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    /// Writing sets it before it changes the first byte.
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(about: &Metadata) -> Self {
        Self {
            bytes: about.len(),
            modified: about.modified().ok(),
        }
    }
}

impl MappedFiles {
    /// Remembers the state of the model at `path`, and of its other parts if it is in parts.
    ///
    /// # Errors
    ///
    /// The file can't be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut files = vec![MappedFile::open(path)?];
        for part in parts(path).filter(|part| part != path) {
            // If one is missing, reading the model says so.
            files.extend(MappedFile::open(&part).ok());
        }
        Ok(Self {
            path: path.to_owned(),
            files,
            has_changed: AtomicBool::new(false),
        })
    }

    /// The path of the model.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a file has changed or lost pages since. Then whatever was computed meanwhile may be
    /// wrong, and the answer stays true. It takes a system call of less than a microsecond for each
    /// file.
    ///
    /// Only the size and the time of the last change are compared, so a change by a program that
    /// sets the time back is not noticed.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        let has_changed = self.has_changed.load(Ordering::Relaxed)
            || self.files.iter().any(MappedFile::has_changed);
        if has_changed {
            self.has_changed.store(true, Ordering::Relaxed);
        }
        has_changed
    }
}

impl MappedFile {
    fn open(path: &Path) -> io::Result<Self> {
        let mut options = File::options();
        options.read(true);
        // A pipe is not waited for. It is refused when it is read.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
        let file = options.open(path)?;
        let about = file.metadata()?;
        Ok(Self {
            was: Stamp::of(&about),
            #[cfg(target_os = "linux")]
            watched: about.is_file().then(|| Watched::new(&file)).flatten(),
            file,
        })
    }

    fn has_changed(&self) -> bool {
        #[cfg(target_os = "linux")]
        if self.watched.as_ref().is_some_and(Watched::has_fault) {
            return true;
        }
        let now = self.file.metadata();
        now.is_ok_and(|now| Stamp::of(&now) != self.was)
    }
}

/// The paths of all parts of a model whose name ends in `-00001-of-00003.gguf` and so on.
fn parts(path: &Path) -> impl Iterator<Item = PathBuf> {
    let name = path.file_name().and_then(|name| name.to_str());
    let split = name.and_then(|name| {
        let (before, count) = name.strip_suffix(".gguf")?.rsplit_once("-of-")?;
        let (prefix, number) = before.rsplit_once('-')?;
        let is_number = |text: &str| text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
        let total = (is_number(number) && is_number(count)).then(|| count.parse::<u32>())?;
        Some((prefix.to_owned(), total.ok()?))
    });
    let path = path.to_owned();
    split.into_iter().flat_map(move |(prefix, total)| {
        let path = path.clone();
        (1..=total).map(move |number| {
            path.with_file_name(format!("{prefix}-{number:05}-of-{total:05}.gguf"))
        })
    })
}

#[cfg(test)]
mod tests;
