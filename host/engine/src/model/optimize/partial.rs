//! A file that is being written under a temporary name until it is complete.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use mynah_core::files;

/// Suffix of the name of an unfinished file.
const SUFFIX: &str = ".partial";

/// A file that is being written beside its destination. Dropping it removes it. If the process is
/// killed, the file's name shows that it is incomplete, and the next conversion to the same
/// destination removes it.
#[derive(Debug)]
pub(super) struct Partial {
    path: PathBuf,
    destination: PathBuf,
    is_kept: bool,
    /// Locked as long as the file is being written. The system unlocks it when the process ends.
    file: File,
}

impl Partial {
    /// Creates an empty file in the folder of `destination`, with a name that no other process or
    /// thread uses.
    pub(super) fn create(destination: &Path) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);

        // A rename would also replace a link, or a pipe of another program.
        match fs::symlink_metadata(destination) {
            Ok(there) if there.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(there) if !there.is_file() => {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "something is there that is not a regular file: name another file",
                ));
            }
            _ => {}
        }
        let name = destination
            .file_name()
            .ok_or(io::ErrorKind::InvalidFilename)?;
        let mut prefix = OsString::from(".");
        prefix.push(name);
        prefix.push(".");
        let folder = folder_of(destination);
        sweep(folder, &prefix);
        let mut name = prefix;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        name.push(format!("{}-{count}{SUFFIX}", std::process::id()));
        let path = folder.join(name);
        // An operator's file gets the permissions of other new files of the operator.
        let file = File::options().write(true).create_new(true).open(&path)?;
        // Where a file system has no locks, a later conversion can't take one either, and removes
        // nothing.
        let _ = file.lock();
        Ok(Self {
            path,
            destination: destination.to_owned(),
            is_kept: false,
            file,
        })
    }

    /// The path to write to.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Renames the file to its destination in one step, so that readers see either the old file or
    /// the complete new one.
    pub(super) fn keep(mut self) -> io::Result<()> {
        // The name must not reach the disk before the contents.
        self.file.sync_all()?;
        fs::rename(&self.path, &self.destination)?;
        self.is_kept = true;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.is_kept {
            // If it cannot be removed, its name shows that it is incomplete.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Removes unfinished files that killed processes have left for the same destination. Nothing
/// depends on it.
fn sweep(folder: &Path, prefix: &OsString) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        let is_ours = name
            .strip_prefix(prefix.as_encoded_bytes())
            .and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()))
            .is_some_and(is_numbered);
        // Only a process that writes a file holds its lock.
        let is_left = || files::open(&entry.path()).is_ok_and(|file| file.try_lock().is_ok());
        if is_ours && is_left() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether this is the part of a name that tells process and file apart, such as `4711-0`.
fn is_numbered(part: &[u8]) -> bool {
    let mut numbers = part.split(|byte| *byte == b'-');
    let mut is_number = || {
        numbers
            .next()
            .is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
    };
    is_number() && is_number() && numbers.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().flatten();
        let mut names: Vec<_> = entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_that_is_not_kept_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let destination = folder.path().join("a.gguf");
        let partial = Partial::create(&destination).unwrap();
        let other = Partial::create(&destination).unwrap();
        assert_ne!(partial.path(), other.path());
        fs::write(partial.path(), "half").unwrap();
        drop((partial, other));
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_file_that_is_kept_replaces_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let destination = folder.path().join("a.gguf");
        fs::write(&destination, "old").unwrap();
        let partial = Partial::create(&destination).unwrap();
        fs::write(partial.path(), "new").unwrap();
        assert_eq!(fs::read(&destination).unwrap(), b"old");
        partial.keep().unwrap();
        assert_eq!(fs::read(&destination).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["a.gguf"]);
    }

    #[test]
    fn what_a_killed_process_left_goes_at_the_next_conversion() {
        let folder = tempfile::tempdir().unwrap();
        let destination = folder.path().join("a.gguf");
        // The names that it gives, and names of others that begin or end alike.
        let left = [".a.gguf.1-0.partial", ".a.gguf.23-45.partial"];
        let foreign = [
            ".a.gguf.notes.partial",
            ".a.gguf.1-.partial",
            ".a.gguf.1-2-3.partial",
            ".b.gguf.3-0.partial",
            "a.gguf.1-0.partial",
        ];
        for name in left.iter().chain(&foreign) {
            fs::write(folder.path().join(name), "half").unwrap();
        }
        std::os::unix::fs::symlink("a.gguf", folder.path().join(".a.gguf.7-0.partial")).unwrap();
        let running = Partial::create(&destination).unwrap();
        drop(Partial::create(&destination).unwrap());
        let mut expected: Vec<_> = foreign.iter().map(|name| (*name).to_owned()).collect();
        expected.push(".a.gguf.7-0.partial".to_owned());
        let own = running.path().file_name().unwrap();
        expected.push(own.to_str().unwrap().to_owned());
        expected.sort();
        assert_eq!(names(folder.path()), expected);
    }

    #[test]
    fn what_is_not_a_regular_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let destination = folder.path().join("a.gguf");
        let precious = folder.path().join("precious");
        fs::write(&precious, "data").unwrap();
        std::os::unix::fs::symlink(&precious, &destination).unwrap();
        let error = Partial::create(&destination).unwrap_err();
        assert!(error.to_string().contains("not a regular file"), "{error}");
        assert!(fs::symlink_metadata(&destination).unwrap().is_symlink());
        assert_eq!(fs::read(&precious).unwrap(), b"data");
    }
}
