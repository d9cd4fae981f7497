//! Tests that what is shared, displaced or brought back concerns those whom it is meant for, at the
//! exact bounds.

use super::host::{Ask, Host, Setup};
use super::known::Faults;
use super::memory::{large, prompt, run};

#[test]
fn a_running_sequence_serves_its_owner_alone() {
    for (split, share_prefixes) in [(true, false), (false, false), (true, true), (false, true)] {
        // Its answer is paused until it is read.
        let host = Host::start(Setup {
            split,
            share_prefixes,
            max_unread_bytes: 8,
            ..large()
        });
        let leader = Ask::new(&prompt(0, &[1]), 100).session(1);
        let mut leading = host.submit(&leader);
        host.until(|status| status.cells_used > 52);
        let mut stranger = Ask::new(&prompt(0, &[2]), 4).session(2);
        stranger.owner = 1;
        let expected = if share_prefixes { 48 } else { 0 };
        assert_eq!(run(&host, &stranger).cached_tokens, expected);
        leading.finish().unwrap();
        assert_eq!(leading.text, leader.answer(&host.setup));
        host.settled();
    }
}

#[test]
fn a_state_in_host_memory_that_serves_another_session_stays_for_its_own() {
    for split in [true, false] {
        let host = Host::start(Setup {
            split,
            sequences: 1,
            ..large()
        });
        let first = Ask::new(&prompt(0, &[1, 2, 3]), 10).session(1);
        run(&host, &first);
        run(&host, &Ask::new(&prompt(7, &[]), 4).session(2));
        assert_eq!(host.settled().cache.saved_tokens, 60);
        let other = Ask::new(&prompt(0, &[9]), 4).session(3);
        assert_eq!(run(&host, &other).cached_tokens, 48);
        let mut next = first.prompt.clone();
        let answer = first.answer(&host.setup);
        next.extend(answer.bytes().map(|letter| i32::from(letter - b'0')));
        next.push(30);
        let next = Ask::new(&next, 4).session(1);
        assert_eq!(run(&host, &next).cached_tokens, 60);
        host.settled();
    }
}

#[test]
fn a_state_that_host_memory_can_never_hold_displaces_no_other() {
    // A state has about a byte for each token.
    let host = Host::start(Setup {
        sequences: 1,
        max_parked_bytes: 200,
        ..large()
    });
    let small = Ask::new(&prompt(0, &[1, 2]), 4).session(1);
    run(&host, &small);
    run(&host, &Ask::new(&prompt(7, &[3; 300]), 4).session(2));
    assert!(host.settled().cache.saved_tokens > 0, "it does not fit");
    run(&host, &Ask::new(&prompt(11, &[4; 3]), 4).session(3));
    let cache = host.settled().cache;
    assert_eq!((cache.evictions, cache.saved_tokens), (1, 53));
    assert_eq!(run(&host, &small).cached_tokens, 49);
}

/// Entries go, and nothing that runs is parked, at every number of cells that is left.
#[test]
fn the_last_free_cell_counts() {
    for length in 30..64 {
        let host = Host::start(Setup {
            split: false,
            cells: 100,
            context: 100,
            batch: 16,
            ..Setup::default()
        });
        run(&host, &Ask::new(&prompt(0, &[]), 4).session(1));
        let tokens: Vec<i32> = (0..length).map(|n| n % 7 + 20).collect();
        run(&host, &Ask::new(&tokens, 30).session(2));
        let status = host.settled();
        assert_eq!((status.exhausted, status.preempted), (0, 0), "{length}");
    }
}

/// An owner is charged for what is computed, so a request of one whose prompt was found in the
/// cache goes before that of an owner whose prompt was computed.
#[test]
fn cached_tokens_are_not_charged() {
    let host = Host::start(Setup {
        sequences: 2,
        faults: Faults::slow(),
        ..large()
    });
    let ask = |owner, tokens: &[i32], session| Ask {
        owner,
        ..Ask::new(tokens, 4).session(session)
    };
    let many = |max_tokens, ask: Ask| Ask { max_tokens, ..ask };
    // While it runs, no charge is forgotten.
    let mut all = (0..40).map(|n| many(390, ask(2, &[n], 1)));
    let longest = all.find(|ask| ask.answer(&host.setup).len() == 390);
    let longest = longest.unwrap();
    let running = host.submit(&longest);
    let long: Vec<i32> = (0..200).map(|n| n * n % 40).collect();
    run(&host, &ask(0, &long, 2));
    assert_eq!(run(&host, &ask(0, &long, 3)).cached_tokens, 199);
    run(&host, &ask(1, &[3; 100], 4));
    let mut blocking = host.submit(&many(60, ask(3, &[9], 5)));
    host.until(|status| status.running == 2);
    let mut cheap = host.submit(&ask(0, &[5, 6], 6));
    let mut dear = host.submit(&many(100, ask(1, &[3, 4], 7)));
    host.until(|status| status.queued == 2);
    blocking.finish().unwrap();
    cheap.finish().unwrap();
    let before = dear.read().is_some();
    assert!(!before, "the owner that had more computed went first");
    drop((running, dear));
    host.settled();
}
