//! Tests of the prefix cache: which owner finds which tokens again, and that it never changes a
//! text.

use std::time::Duration;

use mynah_core::{FinishReason, Usage};
use mynah_settings::Memory;
use proptest::prelude::*;

use super::host::{Ask, Host, Reader, Setup};
use super::known::{self, Faults};
use super::shift::shifted;
use crate::decode::{DiskCacheParams, TrimPolicy};
use crate::disk::Fingerprint;

/// A prompt that begins like all others of its kind.
pub(super) fn prompt(kind: i32, own: &[i32]) -> Vec<i32> {
    let mut prompt: Vec<i32> = (0..48).map(|n| (n + kind) % 40).collect();
    prompt.extend(own);
    prompt
}

pub(super) fn large() -> Setup {
    Setup {
        context: 400,
        cells: 2048,
        ..Setup::default()
    }
}

pub(super) fn run(host: &Host, ask: &Ask) -> Usage {
    let mut reader = host.submit(ask);
    let outcome = reader.finish().unwrap();
    assert_eq!(reader.text, ask.answer(&host.setup));
    outcome.usage
}

#[test]
fn the_next_turn_of_a_session_reads_only_what_is_new() {
    for split in [true, false] {
        let host = Host::start(Setup { split, ..large() });
        let mut tokens = prompt(0, &[1, 2]);
        let mut before = 0;
        for turn in 0..4 {
            let ask = Ask::new(&tokens, 10).session(7);
            let usage = run(&host, &ask);
            assert_eq!(usage.cached_tokens, before, "turn {turn}");
            let text = ask.answer(&host.setup);
            tokens.extend(text.bytes().map(|letter| i32::from(letter - b'0')));
            // The last token of the answer was never computed.
            before = u32::try_from(tokens.len()).unwrap() - 1;
            tokens.extend([30, 31]);
        }
        let status = host.settled();
        assert_eq!((status.cache.hits, status.cache.misses), (3, 1));
        assert_eq!(status.cells_idle, u64::from(before));
        assert_eq!(status.cache.resident_tokens, u64::from(before));
    }
}

#[test]
fn what_one_session_left_serves_the_others_of_its_owner_alone() {
    for split in [true, false] {
        let host = Host::start(Setup { split, ..large() });
        run(&host, &Ask::new(&prompt(0, &[1]), 4).session(1));
        let second = Ask::new(&prompt(0, &[2, 3]), 4).session(2);
        assert_eq!(run(&host, &second).cached_tokens, 48);
        let mut stranger = Ask::new(&prompt(0, &[4]), 4).session(3);
        stranger.owner = 1;
        assert_eq!(run(&host, &stranger).cached_tokens, 0);
        host.settled();
    }
}

#[test]
fn owners_share_where_the_operator_lets_them() {
    let host = Host::start(Setup {
        share_prefixes: true,
        ..large()
    });
    run(&host, &Ask::new(&prompt(0, &[1]), 4).session(1));
    let mut other = Ask::new(&prompt(0, &[2]), 4).session(2);
    other.owner = 1;
    assert_eq!(run(&host, &other).cached_tokens, 48);
}

#[test]
fn who_begins_alike_at_the_same_moment_computes_it_once() {
    for split in [true, false] {
        let host = Host::start(Setup {
            split,
            faults: Faults::slow(),
            ..large()
        });
        let asks: Vec<Ask> = (0..4)
            .map(|n| Ask::new(&prompt(0, &[n, n + 1]), 6).session(n as u64))
            .collect();
        let mut readers: Vec<Reader> = asks.iter().map(|ask| host.submit(ask)).collect();
        let mut cached = Vec::new();
        for (reader, ask) in readers.iter_mut().zip(&asks) {
            cached.push(reader.finish().unwrap().usage.cached_tokens);
            assert_eq!(reader.text, ask.answer(&host.setup));
        }
        cached.sort_unstable();
        assert_eq!(cached, [0, 48, 48, 48]);
        host.settled();
    }
}

#[test]
fn who_begins_like_one_that_is_answering_takes_it_from_there() {
    for split in [true, false] {
        // Its answer is paused until it is read.
        let host = Host::start(Setup {
            split,
            max_unread_bytes: 8,
            ..large()
        });
        let leader = Ask::new(&prompt(0, &[1]), 100).session(1);
        let mut leading = host.submit(&leader);
        host.until(|status| status.cells_used > 52);
        let follower = Ask::new(&prompt(0, &[2]), 4).session(2);
        assert_eq!(run(&host, &follower).cached_tokens, 48);
        assert_eq!(host.queue.status().running, 1);
        leading.finish().unwrap();
        assert_eq!(leading.text, leader.answer(&host.setup));
        host.settled();
    }
}

#[test]
fn who_waits_for_one_that_is_cancelled_goes_on_alone() {
    let host = Host::start(Setup {
        batch: 4,
        faults: Faults::slow(),
        ..large()
    });
    let leader = host.submit(&Ask::new(&prompt(0, &[1]), 6).session(1));
    host.until(|status| status.cells_used > 4);
    let follower = Ask::new(&prompt(0, &[2]), 6).session(2);
    let mut reader = host.submit(&follower);
    host.until(|status| status.running == 2);
    leader.cancel();
    reader.finish().unwrap();
    assert_eq!(reader.text, follower.answer(&host.setup));
    drop(leader);
    host.settled();
}

#[test]
fn nobody_waits_for_one_that_waits_for_its_reader() {
    let host = Host::start(Setup {
        max_unread_bytes: 8,
        faults: Faults::slow(),
        ..large()
    });
    let leader = Ask::new(&prompt(0, &[1]), 60).session(1);
    let answer = leader.answer(&host.setup);
    // Goes on like the other one's answer.
    let mut longer = leader.prompt.clone();
    let letters = answer.bytes().take(40);
    longer.extend(letters.map(|letter| i32::from(letter - b'0')));
    longer.push(5);
    let follower = Ask::new(&longer, 4).session(2);
    let mut leading = host.submit(&leader);
    let mut following = host.submit(&follower);
    following.finish().unwrap();
    assert_eq!(following.text, follower.answer(&host.setup));
    leading.finish().unwrap();
    assert_eq!(leading.text, answer);
    host.settled();
}

#[test]
fn nothing_is_remembered_where_the_request_says_so() {
    let host = Host::start(large());
    for memory in [
        Memory {
            cache_prompt: Some(false),
            ..Memory::default()
        },
        Memory {
            max_cache_tokens: Some(0),
            ..Memory::default()
        },
    ] {
        let mut ask = Ask::new(&prompt(0, &[1]), 4).session(1);
        ask.memory = memory;
        for _ in 0..2 {
            assert_eq!(run(&host, &ask).cached_tokens, 0);
        }
    }
    let status = host.settled();
    assert_eq!(
        (status.cells_idle, status.cache.hits, status.cache.misses),
        (0, 0, 0)
    );
}

#[test]
fn an_owner_keeps_no_more_than_it_may() {
    let host = Host::start(large());
    for n in 0..4 {
        let mut ask = Ask::new(&prompt(10 * n, &[1]), 4).session(n as u64);
        ask.memory.max_cache_tokens = Some(100);
        run(&host, &ask);
    }
    let status = host.settled();
    // Fifty-two cells each.
    assert_eq!(status.cache.resident_tokens, 52);
    assert_eq!(status.cache.evictions, 3);
    let mut short = Ask::new(&prompt(5, &[1]), 4).session(9);
    short.memory.max_cache_tokens = Some(20);
    run(&host, &short);
    assert_eq!(host.settled().cache.resident_tokens, 20);
}

#[test]
fn sessions_beyond_the_places_go_to_host_memory_and_come_back() {
    for (split, max_parked_bytes) in [(true, 1 << 20), (false, 1 << 20), (true, 0)] {
        let host = Host::start(Setup {
            split,
            max_parked_bytes,
            ..large()
        });
        for round in 0..3 {
            for session in 0..10 {
                let ask = Ask::new(&prompt(4 * session, &[1; 3]), 4).session(session as u64);
                let usage = run(&host, &ask);
                if round > 0 {
                    let there = if max_parked_bytes > 0 { 50 } else { 0 };
                    assert_eq!(usage.cached_tokens, there);
                }
            }
        }
        let status = host.settled();
        assert_eq!(status.cache.saved_tokens > 0, max_parked_bytes > 0);
        assert_eq!(status.cache.evictions > 0, max_parked_bytes == 0);
        assert!(status.cache.saved_bytes <= max_parked_bytes);
    }
}

#[test]
fn who_runs_goes_before_what_is_remembered() {
    // A single request needs the whole pool.
    let host = Host::start(Setup {
        split: false,
        cells: 400,
        ..large()
    });
    for session in 0..6 {
        let ask = Ask::new(&prompt(4 * session, &[1; 3]), 40).session(session as u64);
        run(&host, &ask);
    }
    run(&host, &Ask::new(&prompt(3, &[2; 300]), 40).session(7));
    let status = host.settled();
    assert_eq!((status.exhausted, status.preempted), (0, 0));
}

#[test]
fn a_memory_that_can_not_be_cut_serves_whole_sequences_only() {
    let host = Host::start(Setup {
        faults: Faults::default().with_memory(known::Memory::Whole),
        ..large()
    });
    let first = Ask::new(&prompt(0, &[1, 2]), 10).session(1);
    run(&host, &first);
    let other = Ask::new(&prompt(0, &[3]), 10).session(2);
    assert_eq!(run(&host, &other).cached_tokens, 0);
    let mut tokens = first.prompt.clone();
    let text = first.answer(&host.setup);
    tokens.extend(text.bytes().map(|letter| i32::from(letter - b'0')));
    tokens.push(5);
    let next = Ask::new(&tokens, 10).session(1);
    assert_eq!(run(&host, &next).cached_tokens, 59);
}

#[test]
fn what_a_saved_state_lacks_is_copied_from_the_cells() {
    for split in [true, false] {
        let host = Host::start(Setup {
            split,
            faults: Faults::default().with_memory(known::Memory::Windowed),
            ..large()
        });
        run(&host, &Ask::new(&prompt(0, &[1, 2]), 10).session(1));
        let second = Ask::new(&prompt(0, &[3]), 4).session(2);
        assert_eq!(run(&host, &second).cached_tokens, 48);
        host.settled();
    }
}

#[test]
fn several_are_given_a_copy_in_the_same_step() {
    for memory in [known::Memory::Windowed, known::Memory::Movable] {
        let host = Host::start(Setup {
            max_unread_bytes: 8,
            faults: Faults::slow().with_memory(memory),
            ..large()
        });
        let mut leading = host.submit(&Ask::new(&prompt(0, &[1]), 100).session(1));
        host.until(|status| status.cells_used > 52);
        let asks: Vec<Ask> = (2..5)
            .map(|n| Ask::new(&prompt(0, &[n]), 4).session(n as u64))
            .collect();
        let mut readers: Vec<Reader> = asks.iter().map(|ask| host.submit(ask)).collect();
        for (reader, ask) in readers.iter_mut().zip(&asks) {
            let usage = reader.finish().unwrap().usage;
            assert_eq!(usage.cached_tokens, 48);
            assert_eq!(reader.text, ask.answer(&host.setup));
        }
        leading.finish().unwrap();
        host.settled();
    }
}

#[test]
fn a_deterministic_request_takes_only_what_was_computed_as_it_would_be() {
    let host = Host::start(Setup {
        batch: 64,
        context: 1000,
        cells: 4096,
        ..Setup::default()
    });
    let long: Vec<i32> = (0..200).map(|n| n % 40).collect();
    let mut exact = Ask::new(&long, 4);
    exact.deterministic = true;
    run(&host, &Ask::new(&long, 4).session(1));
    assert_eq!(run(&host, &exact.clone().session(2)).cached_tokens, 0);
    // Three whole steps. The last one had eight tokens.
    assert_eq!(run(&host, &exact.clone().session(3)).cached_tokens, 192);
    assert_eq!(
        run(&host, &Ask::new(&long, 4).session(4)).cached_tokens,
        199
    );
}

#[test]
fn what_an_owner_that_is_gone_left_goes() {
    let host = Host::start(large());
    run(&host, &Ask::new(&prompt(0, &[1]), 4).unique());
    host.queue.wake();
    host.until(|status| status.cells_idle == 0);
}

fn ask() -> impl Strategy<Value = Ask> {
    let own = prop::collection::vec(0i32..40, 1..12);
    let shape = (own, 1u32..60, 0i32..3, 0usize..49);
    let flags = (0u8..2, 0u64..6, any::<bool>(), any::<bool>());
    (shape, flags, prop_oneof![Just(0u32), Just(60), Just(4000)]).prop_map(
        |((own, max_tokens, kind, common), (owner, session, deterministic, shifts), most)| {
            let mut begin = prompt(kind * 5, &[]);
            begin.truncate(common);
            begin.extend(own);
            let mut ask = Ask::new(&begin, max_tokens).session(session);
            (ask.owner, ask.deterministic) = (owner, deterministic);
            ask.memory.max_cache_tokens = Some(most);
            if shifts {
                ask.trim_policy = Some(|| TrimPolicy::text(4));
            }
            ask
        },
    )
}

proptest! {
    /// Whatever is cached, shared, moved and evicted meanwhile, in any kind of memory: each reader
    /// gets the text that the prompt has alone, and no cell leaks.
    #[test]
    fn nobodys_text_changes_by_what_is_remembered(
        asks in prop::collection::vec((ask(), 0u8..8), 1..24),
        sequences in 1u32..5,
        split in any::<bool>(),
        share_prefixes in any::<bool>(),
        cells in 64u32..200,
        max_parked_bytes in prop_oneof![Just(0u64), Just(120), Just(1 << 20)],
        memory in prop_oneof![
            3 => Just(known::Memory::Movable),
            1 => Just(known::Memory::Fixed),
            1 => Just(known::Memory::Whole),
            1 => Just(known::Memory::Windowed),
        ],
        fails in prop::option::weighted(0.2, 5u64..30),
        max_state_bytes in prop::option::of(prop_oneof![Just(2000u64), Just(1 << 20)]),
    ) {
        let root = tempfile::tempdir().unwrap();
        let store = max_state_bytes.map(|max_bytes| DiskCacheParams {
            root: root.path().to_owned(),
            fingerprint: Fingerprint::made_up("a"),
            max_bytes,
            store_after: Duration::from_millis(1),
        });
        let faults = fails.map_or_else(Faults::default, Faults::every);
        let setup = Setup {
            batch: 8,
            sequences,
            split,
            cells: if split { 256 } else { cells },
            max_parked_bytes,
            share_prefixes,
            store,
            compress_parked: sequences == 2,
            faults: faults.with_memory(memory),
            ..Setup::default()
        };
        let host = Host::start(setup.clone());
        let mut readers = Vec::new();
        for (ask, fate) in asks {
            let deterministic = ask.deterministic && split;
            let ask = Ask { deterministic, ..ask };
            readers.push((host.submit(&ask), ask, fate));
            // Some come one after the other, some together.
            if fate > 4 {
                let (reader, _, _) = readers.last_mut().unwrap();
                reader.read_to(Duration::from_millis(3));
            }
        }
        for (reader, _, fate) in &readers {
            if *fate == 0 {
                reader.cancel();
            }
        }
        for (reader, ask, fate) in &mut readers {
            let whole = match ask.trim_policy {
                Some(trim_policy) => shifted(ask, &setup, trim_policy()),
                None => ask.answer(&setup),
            };
            match reader.finish() {
                Ok(outcome) if outcome.reason == FinishReason::Cancelled => {
                    prop_assert_eq!(*fate, 0);
                    prop_assert!(whole.starts_with(&reader.text));
                }
                Ok(_) => prop_assert_eq!(&reader.text, &whole),
                Err(error) => prop_assert!(fails.is_some(), "{}", error),
            }
        }
        drop(readers);
        let status = host.settled();
        prop_assert!(status.cache.saved_bytes <= max_parked_bytes);
        prop_assert!(status.disk.unwrap_or_default().bytes <= max_state_bytes.unwrap_or(0));
        prop_assert_eq!(status.disk.unwrap_or_default().failed, 0);
        prop_assert!(status.cells_used <= u64::from(setup.cells));
    }
}
