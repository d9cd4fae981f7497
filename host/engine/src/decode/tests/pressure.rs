//! Tests of which entries are evicted when memory is short, and that this never changes a text.

use std::time::{Duration, Instant};

use mynah_core::{Error, Owner, PressureLevel, Status};
use mynah_schedule::SessionLimits;

use super::host::{Ask, Host, Setup};
use crate::decode::DiskCacheParams;
use crate::disk::Fingerprint;

/// There is one sequence, so that each request puts the entry of the one before into host memory.
fn setup() -> Setup {
    Setup {
        sequences: 1,
        context: 400,
        cells: 512,
        ..Setup::default()
    }
}

fn prompt(kind: i32) -> Vec<i32> {
    (0..100).map(|n| (n * n + kind) % 40).collect()
}

/// Runs a request. Returns the number of its cached tokens.
fn run(host: &Host, session: u64, kind: i32) -> u32 {
    let ask = Ask::new(&prompt(kind), 5).session(session);
    let mut reader = host.submit(&ask);
    let outcome = reader.finish().unwrap();
    assert_eq!(reader.text, ask.answer(&host.setup));
    outcome.usage.cached_tokens
}

fn saved(host: &Host, tokens: u64) -> Status {
    host.until(|status| status.cache.saved_tokens == tokens)
}

#[test]
fn what_no_session_goes_on_from_is_dropped_first() {
    let host = Host::start(setup());
    // The first session has two entries and continues the second.
    run(&host, 1, 0);
    run(&host, 1, 1);
    run(&host, 2, 2);
    saved(&host, 208);
    host.set_memory(79, PressureLevel::None);
    assert_eq!(host.settled().cache.evictions, 0);
    host.set_memory(80, PressureLevel::Drop);
    assert_eq!(saved(&host, 104).cache.evictions, 1);
    // Evicted tokens are computed again. An entry that goes to host memory replaces another one, so
    // nothing is added.
    assert_eq!(run(&host, 3, 0), 0);
    assert_eq!(host.settled().cache.saved_tokens, 104);
    host.set_memory(10, PressureLevel::None);
}

#[test]
fn then_idle_sessions_leave_host_memory() {
    let host = Host::start(setup());
    run(&host, 1, 0);
    run(&host, 2, 1);
    saved(&host, 104);
    host.set_memory(86, PressureLevel::Park);
    let status = saved(&host, 0);
    assert_eq!((status.cache.evictions, status.cache.saved_bytes), (1, 0));
    // Entries in cells take no memory that could be freed.
    assert_eq!(status.cache.resident_tokens, 104);
    assert_eq!(run(&host, 1, 0), 0);
    assert_eq!(host.settled().cache.saved_tokens, 0);
}

#[test]
fn they_go_to_disk_where_there_is_a_state_folder() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::start(Setup {
        store: Some(DiskCacheParams {
            root: root.path().to_owned(),
            fingerprint: Fingerprint::made_up("a"),
            max_bytes: 1 << 20,
            store_after: Duration::from_secs(3600),
        }),
        ..setup()
    });
    run(&host, 1, 0);
    run(&host, 2, 1);
    run(&host, 3, 2);
    saved(&host, 208);
    host.set_memory(86, PressureLevel::Park);
    let status = saved(&host, 0);
    let disk = status.disk.unwrap();
    assert_eq!((disk.written, disk.tokens), (2, 208));
    assert_eq!(status.cache.evictions, 0);
    // There is no room to read one back, and no request waits for it.
    assert_eq!(run(&host, 2, 1), 0);
    assert_eq!(host.settled().disk.unwrap().read, 0);
    host.set_memory(10, PressureLevel::None);
    assert_eq!(run(&host, 1, 0), 99);
    assert_eq!(host.settled().disk.unwrap().read, 1);
}

#[test]
fn then_idle_sessions_are_closed_though_nobody_asked_for_that() {
    let host = Host::start(Setup {
        sessions: SessionLimits {
            most: 10,
            most_of_owner: 10,
            idle_timeout: Duration::from_millis(1),
            auto_cleanup: false,
            resume_closed: true,
        },
        ..setup()
    });
    host.queue.open_session(1, &Owner::named("1")).unwrap();
    run(&host, 1, 0);
    std::thread::sleep(Duration::from_millis(5));
    host.set_memory(86, PressureLevel::Park);
    assert_eq!(host.queue.status().sessions_closed, 0);
    host.set_memory(91, PressureLevel::Close);
    let status = host.until(|status| status.sessions_closed == 1);
    assert_eq!((status.sessions, status.cells_idle), (0, 0));
}

#[test]
fn at_last_requests_are_refused_with_the_numbers() {
    let host = Host::start(setup());
    run(&host, 1, 0);
    host.set_memory(95, PressureLevel::Refuse);
    let refused = host
        .try_submit(&Ask::new(&prompt(0), 5))
        .map(|_| ())
        .unwrap_err();
    assert!(matches!(refused, Error::MemoryShort { .. }), "{refused}");
    let words = refused.to_string();
    for part in ["95.0 MiB", "100.0 MiB", "max_process_bytes"] {
        assert!(words.contains(part), "`{part}` in: {words}");
    }
    let status = host.settled();
    assert_eq!((status.requests.refused, status.requests.accepted), (1, 1));
    host.set_memory(10, PressureLevel::None);
    assert_eq!(run(&host, 1, 0), 99);
}

#[test]
fn a_worker_that_rests_gives_back_what_it_remembers() {
    let host = Host::start(setup());
    run(&host, 1, 0);
    run(&host, 2, 1);
    saved(&host, 104);
    let begun = Instant::now();
    host.setup
        .memory_in_use
        .store(86, std::sync::atomic::Ordering::Relaxed);
    // Nothing happens, and nothing wakes the worker.
    saved(&host, 0);
    assert!(begun.elapsed() < Duration::from_secs(30));
}
