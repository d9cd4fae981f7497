//! A file that is being written under a temporary name until it is complete.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Suffix of the name of an unfinished file.
const SUFFIX: &str = ".partial";

/// Age at which an unfinished file counts as abandoned. A file in use is written to all the time.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// A file that is being written beside its destination. Dropping it removes it. If the process is
/// killed, the file's name shows that it is incomplete, and a later conversion to the same
/// destination removes it after a day.
#[derive(Debug)]
pub(super) struct Partial {
    path: PathBuf,
    destination: PathBuf,
    is_kept: bool,
}

impl Partial {
    /// Creates an empty file in the folder of `destination`, with a name that no other process or
    /// thread uses.
    pub(super) fn create(destination: &Path) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);

        if destination.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
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
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)?;
        Ok(Self {
            path,
            destination: destination.to_owned(),
            is_kept: false,
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
        OpenOptions::new()
            .write(true)
            .open(&self.path)?
            .sync_all()?;
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
        let is_ours = name
            .as_encoded_bytes()
            .strip_prefix(prefix.as_encoded_bytes())
            .is_some_and(|rest| rest.ends_with(SUFFIX.as_bytes()));
        let is_old = || {
            let changed = entry.metadata().and_then(|data| data.modified());
            changed.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > ABANDONED))
        };
        if is_ours && is_old() {
            let _ = fs::remove_file(entry.path());
        }
    }
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
    fn what_a_killed_process_left_goes_after_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, age: Duration| {
            let file = fs::File::create(folder.path().join(name)).unwrap();
            file.set_modified(std::time::SystemTime::now() - age)
                .unwrap();
        };
        put(".a.gguf.1-0.partial", ABANDONED * 2);
        put(".a.gguf.2-0.partial", Duration::ZERO);
        put(".b.gguf.3-0.partial", ABANDONED * 2);
        drop(Partial::create(&folder.path().join("a.gguf")).unwrap());
        assert_eq!(
            names(folder.path()),
            [".a.gguf.2-0.partial", ".b.gguf.3-0.partial"]
        );
    }
}
