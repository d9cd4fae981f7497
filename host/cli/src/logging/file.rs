//! A log file with rotation. At a maximum size or age the file is renamed and a new one begins; a
//! limited number of old files is kept. If the file is moved or removed from outside, a new one
//! begins too.
//!
//! The current file is `host.log`; `host.log.1` is the newest old file, `host.log.2` the one before
//! it, and so on.

use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use mynah_core::files;

use super::settings::LogFile;
use super::sink::Destination;

/// Time to wait after a failed rotation. Until then, lines go to the current file.
const RETRY: Duration = Duration::from_secs(60);

/// A log file.
#[derive(Debug)]
pub(super) struct LogWriter {
    wanted: LogFile,
    open: Option<Open>,
    /// Rotation is not tried before this time.
    next_rotation: SystemTime,
}

/// The open file.
#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
    since: SystemTime,
    /// False for devices and pipes, which are never rotated.
    is_regular: bool,
}

impl LogWriter {
    /// Opens the file, or creates it. The folder must exist: a missing one is a mistake or an
    /// unmounted disk.
    pub(super) fn open(wanted: &LogFile) -> io::Result<Self> {
        let writer = Self {
            wanted: wanted.clone(),
            open: Some(Open::at(&wanted.path)?),
            next_rotation: SystemTime::UNIX_EPOCH,
        };
        // The limit may be lower than in the last run.
        writer.remove_old()?;
        Ok(writer)
    }

    /// Whether the file must be rotated before this number of bytes is written.
    fn is_due(&self, bytes: u64, now: SystemTime) -> bool {
        self.open.as_ref().is_some_and(|open| {
            // If the clock was set back, the age counts as zero.
            let age = now.duration_since(open.since).unwrap_or_default();
            let is_full = open.bytes.saturating_add(bytes) > self.wanted.max_bytes;
            open.is_regular
                && open.bytes > 0
                && now >= self.next_rotation
                && (is_full || age >= self.wanted.max_age)
        })
    }

    /// Rotates: renames the current file and the old ones, and begins a new file.
    fn rotate(&mut self) -> io::Result<()> {
        let most = self.wanted.max_old;
        if most == 0 {
            std::fs::remove_file(&self.wanted.path)?;
        }
        for number in (0..most).rev() {
            match std::fs::rename(self.old(number), self.old(number + 1)) {
                // There are fewer old files than allowed, or the operator removed some.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => done?,
            }
        }
        self.open = None;
        self.open = Some(Open::at(&self.wanted.path)?);
        self.remove_old()
    }

    /// The path of an old file. The newest has number 1, the current file 0.
    fn old(&self, number: u32) -> PathBuf {
        if number == 0 {
            return self.wanted.path.clone();
        }
        let mut path = self.wanted.path.clone().into_os_string();
        path.push(format!(".{number}"));
        path.into()
    }

    /// Removes the old files beyond the limit.
    fn remove_old(&self) -> io::Result<()> {
        if !self.open.as_ref().is_some_and(|open| open.is_regular) {
            return Ok(());
        }
        let path = &self.wanted.path;
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let mut begins = path.file_name().map(OsString::from).unwrap_or_default();
        begins.push(".");
        let begins = begins.to_string_lossy().into_owned();
        for entry in std::fs::read_dir(folder.unwrap_or(Path::new(".")))? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let number = name.strip_prefix(&begins);
            // Only names that rotation itself writes: `host.log.007` belongs to another program.
            let is_old = |text: &str| {
                let number = text.parse::<u64>().ok();
                number.is_some_and(|number| {
                    number > u64::from(self.wanted.max_old) && number.to_string() == text
                })
            };
            if number.is_some_and(is_old) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

impl Destination for LogWriter {
    fn name(&self) -> String {
        format!("the log file {}", self.wanted.path.display())
    }

    /// Reopens the file if it was moved or removed from outside, so that later lines go to the
    /// expected path.
    fn prepare(&mut self) -> io::Result<()> {
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.is_at(&self.wanted.path))
        {
            return Ok(());
        }
        self.open = None;
        self.open = Some(Open::at(&self.wanted.path)?);
        Ok(())
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let now = SystemTime::now();
        let bytes = line.len() as u64;
        if self.is_due(bytes, now)
            && let Err(error) = self.rotate()
        {
            // Exceeding the size limit is better than losing lines.
            self.next_rotation = now + RETRY;
            crate::output::warning(&format!(
                "{} can't be rotated: {error}. Logging continues in the same file",
                self.name()
            ));
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(Open::at(&self.wanted.path)?),
        };
        open.write(line)
    }
}

impl Open {
    fn at(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        let metadata = file.metadata()?;
        Ok(Self {
            bytes: metadata.len(),
            since: begun(&metadata),
            is_regular: metadata.is_file(),
            file,
        })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(line) {
            if self.is_regular {
                // Takes a partly written line back. If that fails too, the part stays.
                let _ = self.file.set_len(self.bytes);
            }
            return Err(error);
        }
        self.bytes = self.bytes.saturating_add(line.len() as u64);
        Ok(())
    }

    /// Whether this is still the file at that path.
    fn is_at(&self, path: &Path) -> bool {
        match (self.file.metadata(), std::fs::metadata(path)) {
            (Ok(own), Ok(there)) => files::is_same(&own, &there),
            _ => false,
        }
    }
}

/// The time when a file was created. If the system doesn't know it, the last change counts, which
/// makes the file look younger than it is.
fn begun(metadata: &Metadata) -> SystemTime {
    metadata
        .created()
        .or_else(|_| metadata.modified())
        .unwrap_or_else(|_| SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(folder: &Path, max_bytes: u64, max_old: u32) -> LogFile {
        LogFile {
            path: folder.join("host.log"),
            max_bytes,
            max_age: Duration::from_secs(3600),
            max_old,
        }
    }

    fn read(folder: &Path, name: &str) -> String {
        std::fs::read_to_string(folder.join(name)).unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_full_file_becomes_an_old_one_and_so_many_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        // Old files beyond the limit, and files with similar names.
        for name in ["host.log.9", "host.log.txt", "host.log.07", "other.log.9"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let mut log = LogWriter::open(&wanted(folder.path(), 12, 2)).unwrap();
        for line in [
            "one\n", "two\n", "six\n", "ten\n", "eleven\n", "twelve\n", "last\n",
        ] {
            log.prepare().unwrap();
            log.write(line.as_bytes()).unwrap();
        }
        assert_eq!(read(folder.path(), "host.log"), "twelve\nlast\n");
        assert_eq!(read(folder.path(), "host.log.1"), "ten\neleven\n");
        assert_eq!(read(folder.path(), "host.log.2"), "one\ntwo\nsix\n");
        let all = names(folder.path());
        let kept = [
            "host.log",
            "host.log.07",
            "host.log.1",
            "host.log.2",
            "host.log.txt",
            "other.log.9",
        ];
        assert_eq!(all, kept);
    }

    #[test]
    fn no_old_file_is_kept_where_none_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogWriter::open(&wanted(folder.path(), 4, 0)).unwrap();
        for line in ["one\n", "two\n"] {
            log.write(line.as_bytes()).unwrap();
        }
        assert_eq!(names(folder.path()), ["host.log"]);
        assert_eq!(read(folder.path(), "host.log"), "two\n");
    }

    #[test]
    fn an_old_file_is_one_whatever_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogWriter::open(&wanted(folder.path(), 1 << 20, 3)).unwrap();
        log.write(b"one\n").unwrap();
        let now = SystemTime::now();
        assert!(!log.is_due(4, now));
        assert!(log.is_due(4, now + Duration::from_secs(3601)));
        // As if an hour had passed.
        log.open.as_mut().unwrap().since -= Duration::from_secs(3600);
        log.write(b"two\n").unwrap();
        assert_eq!(read(folder.path(), "host.log.1"), "one\n");
        assert_eq!(read(folder.path(), "host.log"), "two\n");
        // An empty file is not rotated.
        std::fs::write(folder.path().join("host.log"), "").unwrap();
        let mut log = LogWriter::open(&wanted(folder.path(), 1, 3)).unwrap();
        log.write(b"a long line\n").unwrap();
        assert_eq!(names(folder.path()), ["host.log", "host.log.1"]);
    }

    #[test]
    fn a_file_goes_on_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        for line in ["one\n", "two\n", "six\n"] {
            let mut log = LogWriter::open(&wanted(folder.path(), 8, 1)).unwrap();
            log.write(line.as_bytes()).unwrap();
        }
        assert_eq!(read(folder.path(), "host.log"), "six\n");
        assert_eq!(read(folder.path(), "host.log.1"), "one\ntwo\n");
    }

    #[test]
    fn a_file_that_was_moved_away_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("host.log");
        let mut log = LogWriter::open(&wanted(folder.path(), 1 << 20, 3)).unwrap();
        log.write(b"one\n").unwrap();
        std::fs::rename(&path, folder.path().join("moved")).unwrap();
        log.prepare().unwrap();
        log.write(b"two\n").unwrap();
        assert_eq!(read(folder.path(), "moved"), "one\n");
        assert_eq!(read(folder.path(), "host.log"), "two\n");
        // A missing folder is an error until it exists again.
        let gone = tempfile::tempdir().unwrap();
        let mut log = LogWriter::open(&wanted(gone.path(), 1 << 20, 3)).unwrap();
        let place = gone.path().to_owned();
        drop(gone);
        assert!(log.prepare().is_err());
        std::fs::create_dir(&place).unwrap();
        log.prepare().unwrap();
        log.write(b"back\n").unwrap();
        assert_eq!(read(&place, "host.log"), "back\n");
        std::fs::remove_dir_all(&place).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error_for_each_line() {
        let full = LogFile {
            path: "/dev/full".into(),
            ..wanted(Path::new("/"), 8, 1)
        };
        let mut log = LogWriter::open(&full).unwrap();
        for _ in 0..3 {
            log.prepare().unwrap();
            let error = log.write(b"a long line\n").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        }
        assert!(!Path::new("/dev/full.1").exists());
    }
}
