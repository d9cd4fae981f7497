//! The loop with a model whose every answer is known. Whatever is parked, resumed, recomputed or
//! fails on the way, each reader gets exactly the text that its prompt has alone, and nothing
//! leaks.

mod disk_cache;
mod embed;
mod endings;
mod faults;
mod forms;
mod host;
mod known;
mod letters;
mod memory;
mod pressure;
mod sharing;
mod shift;
mod stopped;

use std::time::{Duration, Instant};

use host::{Ask, Host, Reader, Setup};
use known::Faults;
use mynah_core::{Error, FinishReason, Outcome};
use mynah_settings::Priority;
use proptest::prelude::*;

#[test]
fn an_urgent_request_takes_the_place_of_a_low_one_which_loses_nothing() {
    for max_parked_bytes in [1 << 20, 0] {
        let host = Host::start(Setup {
            sequences: 1,
            context: 4000,
            cells: 4096,
            max_parked_bytes,
            faults: Faults::slow(),
            ..Setup::default()
        });
        let low = Ask::new(&[1, 2, 3], 400).priority(Priority::Low);
        let mut reader = host.submit(&low);
        host.until(|status| status.cells_used > 20);
        let urgent = Ask::new(&[9, 9], 5).priority(Priority::Urgent);
        let mut first = host.submit(&urgent);
        assert_eq!(first.finish().unwrap().reason, FinishReason::MaxTokens);
        assert_eq!(first.text, urgent.answer(&host.setup));
        assert!(reader.read().is_none(), "the low one still runs");
        reader.finish().unwrap();
        assert_eq!(reader.text, low.answer(&host.setup));
        let status = host.settled();
        assert_eq!((status.preempted, status.resumed), (1, 1));
        let kept = max_parked_bytes > 0;
        assert_eq!(status.recomputed, u64::from(!kept));
    }
}

#[test]
fn a_loop_that_hangs_in_a_round_is_told_from_one_that_waits() {
    let host = Host::start(Setup::default());
    host.submit(&Ask::new(&[1], 4)).finish().unwrap();
    host.settled();
    // As if its step had begun long ago and never ended.
    let begun = Instant::now() - Duration::from_secs(61);
    host.until(|_| {
        host.queue.sweep(begun);
        !host.queue.is_alive()
    });
    host.queue.wake();
    host.until(|_| host.queue.is_alive());
    host.queue.close();
    assert!(!host.queue.is_alive());
}

#[test]
fn a_normal_request_does_not_take_the_place_of_another() {
    let host = Host::start(Setup {
        sequences: 1,
        faults: Faults::slow(),
        ..Setup::default()
    });
    let mut low = host.submit(&Ask::new(&[1], 40).priority(Priority::Low));
    host.until(|status| status.running == 1);
    let mut high = host.submit(&Ask::new(&[2], 1).priority(Priority::High));
    high.finish().unwrap();
    assert!(low.read().is_some(), "the first had ended before");
    assert_eq!(host.settled().preempted, 0);
}

#[test]
fn readers_that_do_not_read_keep_nobody_from_the_model() {
    let host = Host::start(Setup {
        sequences: 2,
        context: 2000,
        cells: 4096,
        max_unread_bytes: 8,
        ..Setup::default()
    });
    let ask = Ask::new(&[5, 6], 300);
    let mut unread: Vec<Reader> = (0..4).map(|_| host.submit(&ask)).collect();
    let other = Ask::new(&[7], 6);
    for _ in 0..5 {
        let mut reader = host.submit(&other);
        reader.finish().unwrap();
        assert_eq!(reader.text, other.answer(&host.setup));
    }
    for reader in &mut unread {
        reader.finish().unwrap();
        assert_eq!(reader.text, ask.answer(&host.setup));
    }
    assert!(host.settled().preempted > 0);
}

#[test]
fn when_cells_run_out_the_youngest_of_the_lowest_priority_is_parked() {
    let host = Host::start(Setup {
        sequences: 3,
        context: 100,
        cells: 100,
        split: false,
        faults: Faults::slow(),
        ..Setup::default()
    });
    let asks = [Priority::High, Priority::Normal, Priority::Low]
        .map(|priority| Ask::new(&[3, priority.level() as i32], 60).priority(priority));
    let mut readers: Vec<Reader> = asks.iter().map(|ask| host.submit(ask)).collect();
    let ends: Vec<Outcome> = readers
        .iter_mut()
        .map(|one| one.finish().unwrap())
        .collect();
    for (reader, ask) in readers.iter().zip(&asks) {
        assert_eq!(reader.text, ask.answer(&host.setup));
    }
    assert!(
        ends.iter()
            .map(|end| end.usage.generated_tokens)
            .sum::<u32>()
            > 100
    );
    let status = host.settled();
    assert!(status.exhausted >= 1 && status.resumed >= 1, "{status:#?}");
    assert_eq!(status.requests.completed, 3);
}

#[test]
fn a_step_that_fails_is_computed_again_and_nobody_notices() {
    let host = Host::start(Setup {
        faults: Faults::every(40),
        ..Setup::default()
    });
    let asks: Vec<Ask> = (0..8).map(|n| Ask::new(&[n, n + 1], 20)).collect();
    let mut readers: Vec<Reader> = asks.iter().map(|ask| host.submit(ask)).collect();
    for (reader, ask) in readers.iter_mut().zip(&asks) {
        reader.finish().unwrap();
        assert_eq!(reader.text, ask.answer(&host.setup));
    }
    let status = host.settled();
    assert!(status.failed_steps > 0 && status.recomputed > 0);
    assert_eq!(status.requests.failed, 0);
}

#[test]
fn a_request_that_can_not_be_computed_fails_alone_with_its_text() {
    let host = Host::start(Setup {
        faults: Faults::poison(42),
        ..Setup::default()
    });
    let good = Ask::new(&[1, 2], 30);
    let mut readers: Vec<Reader> = (0..3).map(|_| host.submit(&good)).collect();
    let mut poisoned = host.submit(&Ask::new(&[1, 42, 2], 30));
    match poisoned.finish() {
        Err(Error::Decode {
            attempts: 3 | 4, ..
        }) => {}
        other => panic!("{other:?}"),
    }
    for reader in &mut readers {
        reader.finish().unwrap();
        assert_eq!(reader.text, good.answer(&host.setup));
    }
    let status = host.settled();
    assert_eq!((status.requests.failed, status.requests.completed), (1, 3));
}

#[test]
fn a_context_that_fails_again_and_again_is_made_anew() {
    let host = Host::start(Setup {
        faults: Faults::broken_until_reset(5),
        ..Setup::default()
    });
    let asks: Vec<Ask> = (0..4).map(|n| Ask::new(&[n; 3], 10)).collect();
    let mut readers: Vec<Reader> = asks.iter().map(|ask| host.submit(ask)).collect();
    let ends: Vec<_> = readers.iter_mut().map(Reader::finish).collect();
    for ((reader, ask), end) in readers.iter().zip(&asks).zip(&ends) {
        assert!(end.is_ok(), "{end:?}");
        assert_eq!(reader.text, ask.answer(&host.setup));
    }
    assert_eq!(host.settled().recoveries, 1);
}

#[test]
fn a_request_that_is_alone_does_not_fail_with_its_context() {
    let host = Host::start(Setup {
        faults: Faults::broken_until_reset(5),
        ..Setup::default()
    });
    let ask = Ask::new(&[1; 3], 20);
    let mut reader = host.submit(&ask);
    reader.finish().unwrap();
    assert_eq!(reader.text, ask.answer(&host.setup));
    assert_eq!(host.settled().recoveries, 1);
    // A request that cannot be computed fails with any context.
    let host = Host::start(Setup {
        faults: Faults::poison(42),
        ..Setup::default()
    });
    let end = host.submit(&Ask::new(&[1, 42, 2], 30)).finish();
    assert!(
        matches!(end, Err(Error::Decode { attempts: 4, .. })),
        "{end:?}"
    );
}

#[test]
fn time_runs_out_in_prompt_and_answer_alike() {
    let host = Host::start(Setup {
        sequences: 1,
        context: 20_000,
        cells: 20_224,
        batch: 8,
        faults: Faults::slow(),
        ..Setup::default()
    });
    let limit = Some(Duration::from_millis(60));
    let mut in_answer = Ask::new(&[1], 15_000);
    in_answer.max_time = limit;
    let mut reader = host.submit(&in_answer);
    let end = reader.finish().unwrap();
    assert_eq!(end.reason, FinishReason::MaxTime);
    assert!(end.usage.generated_tokens > 0 && !reader.text.is_empty());
    assert!(in_answer.answer(&host.setup).starts_with(&reader.text));

    let mut in_prompt = Ask::new(&[1; 15_000], 5);
    in_prompt.max_time = limit;
    let end = host.submit(&in_prompt).finish().unwrap();
    assert_eq!(
        (end.reason, end.usage.generated_tokens),
        (FinishReason::MaxTime, 0)
    );

    // A request whose time is over in the queue never begins.
    let hog = host.submit(&Ask::new(&[1], 15_000));
    host.until(|status| status.running == 1);
    let mut waits = Ask::new(&[1], 5);
    waits.max_time = limit;
    match host.submit(&waits).finish() {
        Err(Error::QueueTimeout { limit: told, .. }) => assert_eq!(Some(told), limit),
        other => panic!("{other:?}"),
    }
    drop(hog);
    assert_eq!(host.settled().requests.timed_out, 1);
}

#[test]
fn owners_are_served_evenly_however_many_requests_they_have() {
    let host = Host::start(Setup {
        sequences: 4,
        faults: Faults::slow(),
        ..Setup::default()
    });
    // One owner has fifty requests, four have five each, all of the same size.
    let crowd: Vec<Reader> = (0..50)
        .map(|n| host.submit(&Ask::new(&[n; 4], 12)))
        .collect();
    let mut others = Vec::new();
    for owner in 1..5 {
        for n in 0..5 {
            let mut ask = Ask::new(&[n; 4], 12);
            ask.owner = owner;
            others.push(host.submit(&ask));
        }
    }
    for reader in &mut others {
        reader.finish().unwrap();
    }
    let owners = host.queue.owners();
    let served: Vec<u64> = owners.iter().map(|owner| owner.served_tokens).collect();
    let fair = 5 * 16;
    // The crowd came first, took all sequences once and holds some now: it is two requests ahead
    // for each.
    assert!(
        served[0] <= fair + 2 * 4 * 16,
        "the crowd has {} tokens, the others {:?}",
        served[0],
        &served[1..]
    );
    drop(crowd);
    host.settled();
}

fn ask() -> impl Strategy<Value = Ask> {
    let prompt = prop::collection::vec(0i32..40, 1..40);
    (prompt, 1u32..30, 0u8..4, 0usize..4, any::<bool>()).prop_map(
        |(prompt, max_tokens, owner, level, deterministic)| Ask {
            owner,
            priority: Priority::ALL[level],
            deterministic,
            ..Ask::new(&prompt, max_tokens)
        },
    )
}

fn setup() -> impl Strategy<Value = Setup> {
    let faults = prop_oneof![
        3 => Just(Faults::default()),
        1 => (3u64..20).prop_map(Faults::every),
    ];
    (
        1u32..5,
        64u32..200,
        any::<bool>(),
        faults,
        4usize..64,
        prop_oneof![Just(0u64), Just(200), Just(1 << 20)],
    )
        .prop_map(
            |(sequences, cells, split, faults, max_unread_bytes, max_parked_bytes)| Setup {
                batch: 8.max(sequences),
                sequences,
                cells: if split { 256 } else { cells },
                split,
                faults,
                max_unread_bytes,
                max_parked_bytes,
                ..Setup::default()
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Requests of all kinds, readers that read late, cancel or are dropped, few cells, and steps
    /// that fail: a reader that reads to the end gets exactly its text, one that cancels gets the
    /// beginning of it, and nothing leaks.
    #[test]
    fn everybody_gets_the_text_that_the_prompt_has_alone(
        setup in setup(),
        asks in prop::collection::vec((ask(), 0u8..6), 1..16),
    ) {
        let host = Host::start(setup.clone());
        let mut readers = Vec::new();
        for (ask, fate) in &asks {
            let deterministic = ask.deterministic && setup.split;
            let ask = Ask { deterministic, ..ask.clone() };
            readers.push((host.submit(&ask), ask, *fate));
        }
        for (reader, _, fate) in &readers {
            if *fate == 0 {
                reader.cancel();
            }
        }
        readers.retain(|(_, _, fate)| *fate != 1);
        for (reader, ask, fate) in readers.iter_mut().rev() {
            let end = reader.finish();
            let whole = ask.answer(&host.setup);
            match end {
                Ok(outcome) if outcome.reason == FinishReason::Cancelled => {
                    prop_assert_eq!(*fate, 0);
                    prop_assert!(whole.starts_with(&reader.text));
                }
                Ok(_) => prop_assert_eq!(&reader.text, &whole),
                // Three steps in a row failed with the same request in them.
                Err(Error::Decode { .. }) => prop_assert!(setup.faults.has_failures()),
                Err(error) => prop_assert!(false, "{error}"),
            }
        }
        drop(readers);
        let status = host.settled();
        prop_assert_eq!(status.requests.accepted, asks.len() as u64);
    }
}
