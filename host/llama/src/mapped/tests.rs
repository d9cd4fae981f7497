//! Tests of files that change under a mapping, some in a process of their own.

use std::fs;
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime};

use super::*;

/// Bytes of a page, at most.
const PAGE: usize = 64 << 10;

fn file(folder: &Path, pages: usize) -> PathBuf {
    let path = folder.join("m.gguf");
    fs::write(&path, vec![7u8; pages * PAGE]).unwrap();
    path
}

/// Maps a whole file, as llama.cpp does.
fn map(path: &Path) -> &'static [u8] {
    let file = File::open(path).unwrap();
    let bytes = usize::try_from(file.metadata().unwrap().len()).unwrap();
    // SAFETY: a new mapping, which is never unmapped.
    unsafe {
        let at = libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        );
        assert_ne!(at, libc::MAP_FAILED);
        std::slice::from_raw_parts(at.cast(), bytes)
    }
}

/// Reads a byte that another process may change.
fn read(mapped: &[u8], at: usize) -> u8 {
    // SAFETY: within the mapping.
    unsafe { std::ptr::read_volatile(&raw const mapped[at]) }
}

/// Case H3.
#[test]
fn a_mapping_whose_file_is_cut_short_reads_zeros_and_tells() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), 8);
    let files = MappedFiles::open(&path).unwrap();
    let mapped = map(&path);
    assert_eq!(read(mapped, 5 * PAGE), 7);
    assert!(!files.has_changed());
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(PAGE as u64)
        .unwrap();
    // Also where the size is the same again before anybody looks.
    let sum: u32 = (0..8 * PAGE)
        .step_by(1000)
        .map(|at| u32::from(read(mapped, at)))
        .sum();
    assert!(sum > 0 && sum < 7 * 8 * 66, "{sum}");
    assert_eq!((read(mapped, 0), read(mapped, 7 * PAGE)), (7, 0));
    let watched = files.files.first().unwrap().watched.as_ref().unwrap();
    assert!(watched.has_fault());
    assert!(files.has_changed());
    fs::write(&path, vec![7u8; 8 * PAGE]).unwrap();
    assert!(files.has_changed(), "what was computed stays wrong");
    assert!(!MappedFiles::open(&path).unwrap().has_changed());
}

/// Threads of one model have their errors in the same mapping at the same time, and the later ones
/// find that it has been replaced already.
#[test]
fn threads_that_miss_pages_of_one_mapping_together_all_go_on() {
    const THREADS: usize = 8;
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), THREADS);
    for _ in 0..300 {
        let files = MappedFiles::open(&path).unwrap();
        let mapped = map(&path);
        cut(&path);
        let barrier = std::sync::Barrier::new(THREADS);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    assert_eq!(read(mapped, thread * PAGE), 0);
                });
            }
        });
        assert!(files.has_changed());
        fs::write(&path, vec![7u8; THREADS * PAGE]).unwrap();
    }
}

#[test]
fn a_write_in_place_is_noticed_and_a_removal_or_a_new_file_is_no_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), 2);
    let old = SystemTime::now() - Duration::from_secs(60);
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(old)
        .unwrap();
    let files = MappedFiles::open(&path).unwrap();
    let other = folder.path().join("other");
    fs::write(&other, vec![8u8; 2 * PAGE]).unwrap();
    fs::hard_link(&path, folder.path().join("kept")).unwrap();
    fs::rename(&other, &path).unwrap();
    assert!(!files.has_changed());
    fs::remove_file(&path).unwrap();
    assert!(!files.has_changed());
    fs::write(folder.path().join("kept"), vec![9u8; 2 * PAGE]).unwrap();
    assert!(files.has_changed());
}

#[test]
fn every_part_of_a_model_is_watched() {
    let folder = tempfile::tempdir().unwrap();
    let part = |number| {
        folder
            .path()
            .join(format!("a-b-0000{number}-of-00003.gguf"))
    };
    for number in 1..=3 {
        fs::write(part(number), "part").unwrap();
    }
    let files = MappedFiles::open(&part(1)).unwrap();
    assert!(!files.has_changed());
    fs::write(part(3), "longer").unwrap();
    assert!(files.has_changed());
    for other in [
        "a.gguf",
        "a-1-of-3.gguf",
        "a-00001-of-000x3.gguf",
        "-of-00003.gguf",
    ] {
        assert_eq!(parts(Path::new(other)).count(), 0, "{other}");
    }
}

#[test]
fn a_pipe_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = std::ffi::CString::new(folder.path().join("p").to_str().unwrap()).unwrap();
    // SAFETY: the path is NUL-terminated.
    assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
    let files = MappedFiles::open(&folder.path().join("p")).unwrap();
    assert!(!files.has_changed());
}

/// Does what the test's variable names in a child process, and returns how the child ended.
fn in_child(test: &str, what: &str) -> std::process::ExitStatus {
    std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("mapped::tests::{test}"), "--nocapture"])
        .env("MYNAH_CHILD", what)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap()
}

#[test]
fn other_bus_errors_end_the_process_as_before() {
    use std::os::unix::process::ExitStatusExt;

    let test = "other_bus_errors_end_the_process_as_before";
    let Ok(what) = std::env::var("MYNAH_CHILD") else {
        for what in ["unwatched", "ended", "sent", "left"] {
            assert_eq!(in_child(test, what).signal(), Some(libc::SIGBUS), "{what}");
        }
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), 2);
    if what == "left" {
        assert!(crate::leave_bus_errors());
    }
    if what == "sent" {
        // As without Rust's runtime, whose handler takes the first one that is sent.
        // SAFETY: sets the default action.
        unsafe { libc::signal(libc::SIGBUS, libc::SIG_DFL) };
    }
    let files = MappedFiles::open(&path).unwrap();
    let other = folder.path().join("other");
    fs::copy(&path, &other).unwrap();
    let mapped = match what.as_str() {
        "unwatched" => map(&other),
        _ => map(&path),
    };
    match what.as_str() {
        "ended" => drop(files),
        // SAFETY: sends a signal to this process.
        "sent" => unsafe {
            libc::kill(libc::getpid(), libc::SIGBUS);
        },
        _ => {}
    }
    cut(&path);
    cut(&other);
    read(mapped, PAGE);
    panic!("the process has survived");
}

/// Cuts a file short to nothing.
fn cut(path: &Path) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_len(0).unwrap();
}

/// A handler that the program had before gets what isn't the engine's.
#[test]
fn a_handler_that_was_there_gets_other_bus_errors() {
    extern "C" fn end(_: std::ffi::c_int) {
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(42) }
    }
    let test = "a_handler_that_was_there_gets_other_bus_errors";
    if std::env::var_os("MYNAH_CHILD").is_none() {
        assert_eq!(in_child(test, "x").code(), Some(42));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), 2);
    let other = folder.path().join("other");
    fs::copy(&path, &other).unwrap();
    let handler: extern "C" fn(std::ffi::c_int) = end;
    // SAFETY: the function has the type that `signal` takes.
    unsafe { libc::signal(libc::SIGBUS, handler as *const () as usize) };
    let files = MappedFiles::open(&path).unwrap();
    let (mapped, foreign) = (map(&path), map(&other));
    cut(&path);
    cut(&other);
    assert_eq!(read(mapped, PAGE), 0);
    assert!(files.has_changed());
    read(foreign, PAGE);
    panic!("the process has survived");
}
