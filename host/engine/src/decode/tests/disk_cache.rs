//! The disk cache: what survives a restart and for which owner, damaged files, and the bound.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mynah_core::{DiskStatus, Status, Usage};
use tempfile::TempDir;

use super::host::{Ask, Host, Setup};
use crate::decode::cache::{DiskCache, DiskCacheParams};
use crate::disk::{Fingerprint, FolderError};

const AT_ONCE: Duration = Duration::from_millis(1);
const LATER: Duration = Duration::from_secs(3600);

fn store(root: &TempDir, model: &str, store_after: Duration) -> DiskCacheParams {
    DiskCacheParams {
        root: root.path().to_owned(),
        fingerprint: Fingerprint::made_up(model),
        max_bytes: 1 << 20,
        store_after,
    }
}

fn setup(store: DiskCacheParams) -> Setup {
    Setup {
        context: 400,
        cells: 2048,
        store: Some(store),
        ..Setup::default()
    }
}

fn host(store: DiskCacheParams) -> Host {
    Host::start(setup(store))
}

fn prompt(kind: i32) -> Vec<i32> {
    (0..100).map(|n| (n * n + kind) % 40).collect()
}

fn run(host: &Host, ask: &Ask) -> Usage {
    let mut reader = host.submit(ask);
    let outcome = reader.finish().unwrap();
    assert_eq!(reader.text, ask.answer(&host.setup));
    outcome.usage
}

fn disk(status: &Status) -> DiskStatus {
    status.disk.expect("the model has a disk cache")
}

/// The status when nothing runs.
fn settled(host: &Host) -> DiskStatus {
    host.until(|status| status.disk.is_some());
    disk(&host.settled())
}

fn files(root: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(root).unwrap();
    let files = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
    let files = files.map(|file| file.unwrap().path());
    files.filter(|file| !file.ends_with("lock")).collect()
}

#[test]
fn a_session_goes_on_after_a_restart() {
    for (store_after, compress_parked) in [(AT_ONCE, true), (LATER, false)] {
        let root = tempfile::tempdir().unwrap();
        let before = Host::start(Setup {
            compress_parked,
            ..setup(store(&root, "a", store_after))
        });
        run(&before, &Ask::new(&prompt(0), 10).session(1));
        if store_after == AT_ONCE {
            // No other entry has to be evicted for it.
            before.until(|status| disk(status).written == 1);
        }
        drop(before);
        let after = host(store(&root, "a", LATER));
        assert_eq!(settled(&after).tokens, 109);
        let mut longer = prompt(0);
        longer.extend([7, 8]);
        let usage = run(&after, &Ask::new(&longer, 5).session(2));
        assert_eq!(usage.cached_tokens, 100);
        let status = after.settled();
        assert_eq!(disk(&status).read, 1);
        // The next request finds it in memory.
        run(&after, &Ask::new(&longer, 3).session(3));
        assert_eq!(settled(&after).read, 1);
    }
}

#[test]
fn what_grows_takes_the_place_of_what_it_began_with() {
    let root = tempfile::tempdir().unwrap();
    let host = host(store(&root, "a", AT_ONCE));
    let mut tokens = prompt(0);
    for turn in 1..4 {
        run(&host, &Ask::new(&tokens, 1).session(1));
        host.until(|status| disk(status).written == turn);
        tokens.extend(prompt(3));
    }
    assert_eq!(settled(&host).tokens, 300);
    drop(host);
    assert_eq!(files(root.path()).len(), 1);
}

#[test]
fn on_disk_too_everybody_has_his_own() {
    let root = tempfile::tempdir().unwrap();
    let before = host(store(&root, "a", AT_ONCE));
    run(&before, &Ask::new(&prompt(0), 10).session(1));
    let nameless = Ask::new(&prompt(1), 10).session(2).unique();
    run(&before, &nameless);
    before.until(|status| disk(status).written == 1);
    drop(before);
    // No owner can come back under the name of the other one.
    assert_eq!(files(root.path()).len(), 1);
    let after = host(store(&root, "a", LATER));
    let mut stranger = Ask::new(&prompt(0), 5).session(3);
    stranger.owner = 1;
    assert_eq!(run(&after, &stranger).cached_tokens, 0);
    let usage = run(&after, &Ask::new(&prompt(0), 5).session(4));
    assert_eq!(usage.cached_tokens, 99);
}

#[test]
fn another_models_states_are_not_used() {
    let root = tempfile::tempdir().unwrap();
    run(
        &host(store(&root, "a", LATER)),
        &Ask::new(&prompt(0), 10).session(1),
    );
    let other = host(store(&root, "b", LATER));
    assert_eq!(settled(&other).tokens, 0);
    drop(other);
    // Not even if a file of that owner was put there by hand.
    let file = files(root.path()).pop().unwrap();
    fs::copy(&file, root.path().join("b").join(file.file_name().unwrap())).unwrap();
    let other = host(store(&root, "b", LATER));
    let status = settled(&other);
    assert_eq!((status.tokens, status.damaged), (0, 1));
}

#[test]
fn a_damaged_file_is_computed_again() {
    // Damaged in the header, in the state, cut off, and too long.
    const TOO_LONG: usize = 1;
    for (place, damaged_at_start) in [(20, 1), (usize::MAX, 0), (0, 1), (TOO_LONG, 1)] {
        let root = tempfile::tempdir().unwrap();
        run(
            &host(store(&root, "a", LATER)),
            &Ask::new(&prompt(0), 10).session(1),
        );
        let file = files(root.path()).pop().unwrap();
        let mut bytes = fs::read(&file).unwrap();
        if place == 0 {
            bytes.truncate(bytes.len() - 1);
        } else if place == TOO_LONG {
            bytes.push(0);
        } else {
            let at = place.min(bytes.len() - 40);
            bytes[at] ^= 1;
        }
        fs::write(&file, bytes).unwrap();
        let after = host(store(&root, "a", LATER));
        assert_eq!(settled(&after).damaged, damaged_at_start);
        let usage = run(&after, &Ask::new(&prompt(0), 10).session(2));
        assert_eq!(usage.cached_tokens, 0);
        assert_eq!(settled(&after).damaged, 1);
        drop(after);
        // The state that was computed again replaces it.
        let last = host(store(&root, "a", LATER));
        assert_eq!(settled(&last).tokens, 109);
    }
}

#[test]
fn what_was_being_written_is_lost_and_told() {
    let root = tempfile::tempdir().unwrap();
    run(
        &host(store(&root, "a", LATER)),
        &Ask::new(&prompt(0), 10).session(1),
    );
    let partial = root.path().join("a").join("00000000000000ff.partial");
    fs::write(&partial, b"MYNAHKV1").unwrap();
    let after = host(store(&root, "a", LATER));
    let status = settled(&after);
    assert_eq!((status.tokens, status.interrupted), (109, 1));
    assert!(!partial.exists());
}

#[test]
fn the_folder_keeps_to_its_bound() {
    let root = tempfile::tempdir().unwrap();
    run(
        &host(store(&root, "gone", LATER)),
        &Ask::new(&prompt(0), 10).session(1),
    );
    let one = fs::metadata(&files(root.path())[0]).unwrap().len();
    let max_bytes = 3 * one + one / 2;
    let bounded = || DiskCacheParams {
        max_bytes,
        ..store(&root, "a", AT_ONCE)
    };
    let before = host(bounded());
    for turn in 0..6 {
        let ask = Ask::new(&prompt(turn), 10).session(turn as u64);
        run(&before, &ask);
        before.until(|status| {
            let written = status.disk.map(|disk| disk.written);
            written == Some(turn as u64 + 1)
        });
        let status = settled(&before);
        assert!(status.bytes <= max_bytes);
    }
    let status = settled(&before);
    assert_eq!(status.evictions, 3);
    drop(before);
    let total: u64 = files(root.path())
        .iter()
        .map(|file| fs::metadata(file).unwrap().len())
        .sum();
    assert!(total <= max_bytes, "{total} of {max_bytes}");
    // The most recently used ones are there.
    let after = host(bounded());
    let usage = run(&after, &Ask::new(&prompt(5), 10).session(9));
    assert_eq!(usage.cached_tokens, 99);
    drop(after);
    // A state that is larger than the bound is no error.
    let tiny = host(DiskCacheParams {
        max_bytes: 10,
        ..bounded()
    });
    run(&tiny, &Ask::new(&prompt(0), 10).session(1));
    let status = tiny.until(|status| status.disk.is_some_and(|disk| disk.evictions > 3));
    assert_eq!(disk(&status).bytes, 0);
}

#[test]
fn files_of_models_that_nobody_uses_count_for_the_bound_and_go_first() {
    let root = tempfile::tempdir().unwrap();
    for (model, kind) in [("a", 0), ("gone", 1)] {
        let ask = Ask::new(&prompt(kind), 10).session(1);
        run(&host(store(&root, model, LATER)), &ask);
    }
    let bytes = |model: &str| -> u64 {
        let folder = fs::read_dir(root.path().join(model)).unwrap();
        let files = folder.map(|file| file.unwrap());
        let states = files.filter(|file| file.file_name() != "lock");
        states.map(|file| file.metadata().unwrap().len()).sum()
    };
    let (own, other) = (bytes("a"), bytes("gone"));
    for (max_bytes, others_stay) in [(own + other, true), (own + other - 1, false)] {
        let host = host(DiskCacheParams {
            max_bytes,
            ..store(&root, "a", LATER)
        });
        let status = settled(&host);
        drop(host);
        assert_eq!((status.bytes, status.evictions), (own, 0), "{max_bytes}");
        assert_eq!((bytes("gone") > 0, bytes("a")), (others_stay, own));
    }
}

#[test]
fn a_state_that_memory_has_no_room_for_stays_on_disk() {
    let root = tempfile::tempdir().unwrap();
    run(
        &host(store(&root, "a", LATER)),
        &Ask::new(&prompt(0), 10).session(1),
    );
    let small = Host::start(Setup {
        max_parked_bytes: 50,
        ..setup(store(&root, "a", LATER))
    });
    let usage = run(&small, &Ask::new(&prompt(0), 10).session(1));
    assert_eq!(usage.cached_tokens, 0);
    assert_eq!(settled(&small).tokens, 109);
}

#[test]
fn one_process_uses_a_folder_at_a_time() {
    let root = tempfile::tempdir().unwrap();
    let params = store(&root, "a", LATER);
    let first = DiskCache::open(&params, false, || {}).unwrap();
    let second = DiskCache::open(&params, false, || {}).unwrap_err();
    assert!(
        matches!(second, FolderError::InUse { .. }) && second.to_string().contains("another"),
        "{second}"
    );
    drop(first);
    DiskCache::open(&params, false, || {}).unwrap();
    // Another model has another folder.
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let params = DiskCacheParams {
        root: file,
        ..params
    };
    assert!(matches!(
        DiskCache::open(&params, false, || {}),
        Err(FolderError::Refused(_))
    ));
}

#[test]
fn a_folder_that_is_in_use_is_waited_for() {
    let root = tempfile::tempdir().unwrap();
    let first = host(store(&root, "a", LATER));
    run(&first, &Ask::new(&prompt(0), 10).session(1));
    let second = host(store(&root, "a", LATER));
    run(&second, &Ask::new(&prompt(1), 10).session(1));
    assert_eq!(second.settled().disk, None);
    drop(first);
    assert_eq!(settled(&second).tokens, 109);
    let usage = run(&second, &Ask::new(&prompt(0), 10).session(2));
    assert_eq!(usage.cached_tokens, 99);
    drop(second);
    // Entries from before the folder was free are written too.
    assert_eq!(files(root.path()).len(), 2);
}

#[test]
fn files_of_a_model_that_has_come_are_its_own() {
    let root = tempfile::tempdir().unwrap();
    run(
        &host(store(&root, "b", LATER)),
        &Ask::new(&prompt(0), 10).session(1),
    );
    let one = fs::metadata(&files(root.path())[0]).unwrap().len();
    let first = host(DiskCacheParams {
        max_bytes: one + one / 2,
        ..store(&root, "a", AT_ONCE)
    });
    settled(&first);
    // When the first model looked, no process used it.
    let second = host(store(&root, "b", LATER));
    assert_eq!(settled(&second).tokens, 109);
    run(&first, &Ask::new(&prompt(1), 10).session(1));
    first.until(|status| disk(status).written == 1);
    let usage = run(&second, &Ask::new(&prompt(0), 10).session(1));
    assert_eq!(usage.cached_tokens, 99);
    let status = settled(&second);
    assert_eq!((status.read, status.damaged), (1, 0));
}

#[cfg(unix)]
#[test]
fn what_is_written_is_its_users_alone() {
    use std::os::unix::fs::PermissionsExt;

    let root = tempfile::tempdir().unwrap();
    run(
        &host(store(&root, "a", LATER)),
        &Ask::new(&prompt(0), 10).session(1),
    );
    let file = files(root.path()).pop().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(file.parent().unwrap()), 0o700);
}
