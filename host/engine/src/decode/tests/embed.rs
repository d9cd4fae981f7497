//! Tests of vectors: they are correct whatever else runs, they are counted and limited, and nothing
//! is held after their readers are gone.

use std::time::{Duration, Instant};

use mynah_core::{Error, Observer, Owner, RequestLog, Result, Task, TokenId};
use mynah_settings::{Priority, Settings};
use tokio::sync::oneshot;

use super::host::{Ask, Host, Setup};
use super::known::{Faults, vector};
use crate::decode::{EmbedJob, Pooling, QueueLimit, Vectors};

/// Waits for the vectors of these texts.
pub(super) struct Wanted {
    texts: Vec<Vec<i32>>,
    answer: oneshot::Receiver<Result<Vectors>>,
}

impl Wanted {
    fn answer(self) -> Result<Vectors> {
        self.answer.blocking_recv().unwrap()
    }

    fn finish(self) {
        let expected: Vectors = self.texts.iter().map(|text| vector(text)).collect();
        assert_eq!(self.answer.blocking_recv().unwrap().unwrap(), expected);
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) observer: Option<Observer>,
    pub(super) deterministic: bool,
    pub(super) max_time: Option<Duration>,
}

pub(super) fn try_ask(host: &Host, texts: &[Vec<i32>], asked: Asked) -> Result<Wanted> {
    let (answer, is_answered) = oneshot::channel();
    let effective = Settings::default().resolve(|| 1);
    let tokens = |text: &Vec<i32>| text.iter().copied().map(TokenId).collect();
    host.queue.submit_embedding(EmbedJob {
        texts: texts.iter().map(tokens).collect(),
        pooling: Pooling::Mean,
        priority: Priority::Normal,
        deterministic: asked.deterministic,
        log: RequestLog::new(
            "granted".into(),
            super::host::known_info(),
            1,
            Owner::named("embedder"),
            Task::Embed,
            asked.observer,
        ),
        owner: Owner::named("embedder"),
        session: 1,
        asked_at: Instant::now(),
        queue_limit: QueueLimit::new(Duration::from_secs(100), &effective),
        max_time: asked.max_time,
        answer,
    })?;
    Ok(Wanted {
        texts: texts.to_vec(),
        answer: is_answered,
    })
}

fn ask(host: &Host, texts: &[Vec<i32>]) -> Wanted {
    try_ask(host, texts, Asked::default()).unwrap()
}

/// Texts of the given numbers of tokens.
fn texts(lengths: &[i32]) -> Vec<Vec<i32>> {
    let text = |length: &i32| (0..*length).map(|n| 1 + (n * n + length) % 40).collect();
    lengths.iter().map(text).collect()
}

#[test]
fn texts_of_any_length_get_their_vectors_beside_generations() {
    let host = Host::start(Setup::default());
    let asks: Vec<Ask> = (0..6).map(|n| Ask::new(&[n, n + 1], 30)).collect();
    let mut readers: Vec<_> = asks.iter().map(|ask| host.submit(ask)).collect();
    // Longer than a step, more than are computed side by side, and more tokens than the cells hold
    // at once.
    let wanted = [
        ask(&host, &texts(&[1, 63, 40, 2, 7, 50, 3, 3, 60, 12, 1])),
        ask(&host, &texts(&[5])),
        ask(&host, &texts(&[63; 20])),
    ];
    for one in wanted {
        one.finish();
    }
    for (reader, ask) in readers.iter_mut().zip(&asks) {
        reader.finish().unwrap();
        assert_eq!(reader.text, ask.answer(&host.setup));
    }
    let status = host.settled();
    assert_eq!((status.embedding.texts, status.requests.completed), (32, 9));
    // Texts of one step share it.
    assert!(status.embedding.steps < 200, "{}", status.embedding.steps);
    let owners = host.queue.owners();
    let served = owners.iter().find(|owner| &*owner.name == "embedder");
    let tokens: usize = [1, 63, 40, 2, 7, 50, 3, 3, 60, 12, 1, 5].iter().sum();
    assert_eq!(served.unwrap().served_tokens, (tokens + 63 * 20) as u64);
}

#[test]
fn deterministic_texts_are_computed_too() {
    let host = Host::start(Setup::default());
    let asked = Asked {
        deterministic: true,
        ..Asked::default()
    };
    let alone = try_ask(&host, &texts(&[20, 3]), asked).unwrap();
    let beside = ask(&host, &texts(&[5, 6]));
    alone.finish();
    beside.finish();
    host.settled();
}

#[test]
fn what_nobody_waits_for_is_given_up_and_counted() {
    let host = Host::start(Setup {
        faults: Faults::slow(),
        ..Setup::default()
    });
    let long = vec![texts(&[60]).remove(0); 100];
    let given_up = ask(&host, &long);
    let behind = ask(&host, &long);
    host.until(|status| status.embedding.steps > 2);
    drop((given_up, behind));
    host.queue.wake();
    let status = host.until(|status| status.requests.cancelled == 2);
    assert_eq!((status.running, status.queued), (0, 0));
    ask(&host, &texts(&[63; 8])).finish();
    host.settled();
}

#[test]
fn a_request_ends_when_its_time_is_over() {
    let host = Host::start(Setup {
        faults: Faults::slow(),
        ..Setup::default()
    });
    let limit = Duration::from_millis(20);
    let asked = Asked {
        max_time: Some(limit),
        ..Asked::default()
    };
    let long = vec![texts(&[60]).remove(0); 1000];
    let over = try_ask(&host, &long, asked).unwrap().answer();
    assert!(
        matches!(over, Err(Error::MaxTime { limit: told }) if told == limit),
        "{over:?}"
    );
    let status = host.settled();
    assert_eq!((status.requests.timed_out, status.running), (1, 0));
}

#[test]
fn a_step_that_fails_fails_what_had_begun_and_the_next_goes_on() {
    let host = Host::start(Setup {
        faults: Faults::poison(50),
        ..Setup::default()
    });
    let poisoned = ask(&host, &[vec![1, 50]]).answer();
    assert!(
        matches!(poisoned, Err(Error::Decode { .. })),
        "{poisoned:?}"
    );
    ask(&host, &texts(&[20])).finish();
    assert_eq!(host.settled().requests.failed, 1);
}

#[test]
fn the_queue_is_as_long_as_it_may_be_whatever_waits() {
    let host = Host::start(Setup {
        faults: Faults::slow(),
        ..Setup::default()
    });
    let long = vec![texts(&[60]).remove(0); 100];
    let mut wanted = Vec::new();
    let refused = loop {
        match try_ask(&host, &long, Asked::default()) {
            Ok(one) => wanted.push(one),
            Err(error) => break error,
        }
    };
    let Error::Busy {
        queued, capacity, ..
    } = refused
    else {
        panic!("{refused}");
    };
    assert_eq!((queued, capacity), (1000, 1000));
    // Both kinds of requests share the queue's size.
    let other = host.try_submit(&Ask::new(&[1], 1)).map(|_| ());
    assert!(matches!(other, Err(Error::Busy { .. })), "{other:?}");
    wanted.clear();
    host.queue.wake();
    host.settled();
}

#[test]
fn who_waits_when_the_model_goes_is_told() {
    let host = Host::start(Setup {
        faults: Faults::slow(),
        ..Setup::default()
    });
    let long = vec![texts(&[60]).remove(0); 1000];
    let wanted = [ask(&host, &long), ask(&host, &long)];
    host.until(|status| status.embedding.steps > 0);
    drop(host);
    for one in wanted {
        assert!(one.answer.blocking_recv().is_err());
    }
}
