//! Tests of readers that go away at the same moment as the model: a guest that ends drops both. Its
//! requests end as cancelled, whatever phase they are in, and none fails.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mynah_core::{Observer, Owner, RequestLog, RequestOutcome, Task};

use super::embed::{Asked, try_ask};
use super::host::{Ask, Host, Setup, known_info};
use super::known::Faults;

/// Attempts for each phase; the worker is at a different point in each.
const ROUNDS: u64 = 25;

/// Collects the outcomes of all requests.
#[derive(Clone)]
struct Outcomes {
    seen: Arc<Mutex<Vec<&'static str>>>,
    observer: Observer,
}

impl Outcomes {
    fn new() -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let observer = Observer::new({
            let seen = Arc::clone(&seen);
            move |end| seen.lock().unwrap().push(end.outcome.name())
        });
        let observer = observer.unwrap();
        Self { seen, observer }
    }

    fn all(&self) -> Vec<&'static str> {
        assert!(self.observer.flush(Duration::from_secs(20)));
        self.seen.lock().unwrap().clone()
    }
}

/// Starts three texts and two requests for vectors, waits for a phase, and drops all readers and
/// then the model.
fn end_in(setup: &Setup, round: u64, reached: impl Fn(&Host)) {
    let outcomes = Outcomes::new();
    let host = Host::start(setup.clone());
    let readers: Vec<_> = (0..3)
        .map(|index| {
            let mut ask = Ask::new(&[1, 2, 3, 4 + index, 5, 6, 7, 8, 9], 50);
            ask.observer = Some(outcomes.observer.clone());
            host.submit(&ask)
        })
        .collect();
    let vectors: Vec<_> = (0..2)
        .map(|_| {
            let asked = Asked {
                observer: Some(outcomes.observer.clone()),
                ..Asked::default()
            };
            try_ask(&host, &vec![vec![1; 60]; 100], asked).ok().unwrap()
        })
        .collect();
    reached(&host);
    std::thread::sleep(Duration::from_micros(round * 97));
    match round % 2 {
        0 => {
            drop(readers);
            drop(vectors);
        }
        _ => {
            drop(vectors);
            drop(readers);
        }
    }
    drop(host);
    let outcomes = outcomes.all();
    assert_eq!(outcomes.len(), 5, "{outcomes:?}");
    let is_fine = |outcome: &&str| ["cancelled", "completed"].contains(outcome);
    assert!(outcomes.iter().all(is_fine), "{outcomes:?}");
    assert!(outcomes.contains(&"cancelled"), "{outcomes:?}");
}

/// Newcomer 7.
#[test]
fn requests_of_readers_that_go_with_the_model_are_cancelled_in_every_phase() {
    let slow = Setup {
        faults: Faults::slow(),
        sequences: 1,
        ..Setup::default()
    };
    let unread = Setup {
        max_unread_bytes: 1,
        ..slow.clone()
    };
    for round in 0..ROUNDS {
        // Queued, or barely begun.
        end_in(&slow, round, |_| {});
        // One is computed, the others wait.
        end_in(&slow, round, |host| {
            host.until(|status| status.running > 0 && status.steps > 1);
        });
        // One is paused because its reader does not read.
        end_in(&unread, round, |host| {
            host.until(|status| status.steps > 2);
        });
        // Vectors are computed.
        end_in(&slow, round, |host| {
            host.until(|status| status.embedding.steps > 0);
        });
    }
}

#[test]
fn a_request_that_a_reader_waits_for_fails_when_the_model_goes() {
    let outcomes = Outcomes::new();
    let host = Host::start(Setup {
        faults: Faults::slow(),
        ..Setup::default()
    });
    let mut ask = Ask::new(&[1, 2, 3], 60);
    ask.observer = Some(outcomes.observer.clone());
    let mut reader = host.submit(&ask);
    drop(host);
    let ended = reader.finish();
    assert_eq!(ended.is_err(), outcomes.all() == ["failed"]);
}

#[test]
fn only_the_first_end_of_a_log_counts_also_when_it_is_dropped() {
    let outcomes = Outcomes::new();
    let observer = Some(outcomes.observer.clone());
    let (name, owner) = ("granted".into(), Owner::unique());
    let log = RequestLog::new(name, known_info(), 1, owner, Task::Chat, observer);
    log.end(RequestOutcome::Cancelled, &mynah_core::Usage::default());
    drop(log);
    assert_eq!(outcomes.all(), ["cancelled"]);
}
