//! Tests of the pool with work that waits for a gate.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use mynah_core::{BackendErrorKind, Error, Owner, Result};
use mynah_schedule::Size;
use mynah_settings::{Priority, Settings};

use super::{Pool, Request, with_stack};
use crate::decode::QueueLimit;

const LONG: Duration = Duration::from_secs(600);

fn request(owner: &str, size: Size, time: Duration) -> Request {
    Request {
        owner: Owner::named(owner),
        priority: Priority::Normal,
        asked_at: Instant::now(),
        limit: QueueLimit::new(time, &Settings::default().resolve(|| 0)),
        bytes: match size {
            Size::Small => 100,
            Size::Large => 1_000_000,
        },
        size,
    }
}

/// Holds up the work until it is opened. Dropping it opens it.
#[derive(Debug, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn wait(&self) -> impl FnOnce() -> Result<()> + Send + 'static {
        let gate = Arc::clone(&self.0);
        move || {
            let open = gate.1.wait_while(gate.0.lock().unwrap(), |open| !*open);
            drop(open.unwrap());
            Ok(())
        }
    }

    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

async fn until(pool: &Pool, state: (usize, usize)) {
    while pool.waiting_and_running() != state {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn the_caller_gets_the_result_or_the_error() {
    let pool = Pool::new(2);
    let small = request("a", Size::Small, LONG);
    assert_eq!(pool.prepare(&small, || Ok(7)).unwrap().await.unwrap(), 7);
    let failed = pool.prepare(&small, || Result::<()>::Err(Error::EmptyPrompt));
    let error = failed.unwrap().await.unwrap_err();
    assert!(matches!(error, Error::EmptyPrompt), "{error}");
}

#[tokio::test]
async fn a_panic_is_an_error_of_its_request_alone() {
    let pool = Pool::new(2);
    let small = request("a", Size::Small, LONG);
    for _ in 0..5 {
        let panics = pool.prepare(&small, || -> Result<()> { panic!("as it was told") });
        match panics.unwrap().await {
            Err(Error::Backend(error)) => assert_eq!(error.kind(), BackendErrorKind::Failed),
            other => panic!("{other:?}"),
        }
    }
    let deep = pool.prepare(&small, || -> Result<()> {
        with_stack(64 << 20, || panic!("as it was told"))
    });
    assert!(deep.unwrap().await.is_err());
    assert_eq!(pool.prepare(&small, || Ok(7)).unwrap().await.unwrap(), 7);
    until(&pool, (0, 0)).await;
}

#[tokio::test]
async fn work_has_the_stack_that_it_asks_for() {
    fn deep(depth: usize) -> usize {
        let frame = std::hint::black_box([depth; 64]);
        match depth {
            0 => 0,
            _ => deep(depth - 1) + frame[0] / depth,
        }
    }
    let pool = Pool::new(2);
    let small = request("a", Size::Small, LONG);
    let work = || with_stack(512 << 20, || deep(500_000));
    let depth = pool.prepare(&small, work).unwrap();
    assert_eq!(depth.await.unwrap(), 500_000);
}

#[tokio::test]
async fn who_gives_up_while_waiting_is_removed_at_once() {
    let pool = Pool::new(2);
    let gate = Gate::default();
    let large = request("a", Size::Large, LONG);
    let mut running = Vec::new();
    for _ in 0..3 {
        running.push(pool.prepare(&large, gate.wait()).unwrap());
    }
    // One thread stays free for small requests.
    until(&pool, (2, 1)).await;
    running.pop();
    assert_eq!(pool.waiting_and_running(), (1, 1));
    // The work of one that is being prepared ends by itself, and its result is discarded.
    running.remove(0);
    assert_eq!(pool.waiting_and_running(), (1, 1));
    gate.open();
    running.pop().unwrap().await.unwrap();
    until(&pool, (0, 0)).await;
}

#[tokio::test]
async fn the_time_limit_ends_a_request_that_waits_and_one_that_is_prepared() {
    let pool = Pool::new(2);
    let gate = Gate::default();
    let hurried = request("a", Size::Large, Duration::from_millis(20));
    let prepared = pool.prepare(&hurried, gate.wait()).unwrap();
    until(&pool, (0, 1)).await;
    let waiting = pool.prepare(&hurried, gate.wait()).unwrap();
    for late in [prepared, waiting] {
        match late.await {
            Err(Error::QueueTimeout { waited, limit, .. }) => assert!(waited >= limit),
            other => panic!("{other:?}"),
        }
    }
    // The thread is still busy with the first, and small requests have theirs.
    assert_eq!(pool.waiting_and_running(), (0, 1));
    let small = request("b", Size::Small, LONG);
    assert_eq!(pool.prepare(&small, || Ok(7)).unwrap().await.unwrap(), 7);
}

#[tokio::test]
async fn closing_the_pool_ends_what_waits() {
    let pool = Pool::new(2);
    let gate = Gate::default();
    let large = request("a", Size::Large, LONG);
    let running = pool.prepare(&large, gate.wait()).unwrap();
    until(&pool, (0, 1)).await;
    let waiting = pool.prepare(&large, gate.wait()).unwrap();
    drop(pool);
    let ended = waiting.await;
    assert!(matches!(ended, Err(Error::Unavailable)), "{ended:?}");
    gate.open();
    running.await.unwrap();
}

/// Case S1.
#[tokio::test]
async fn a_flood_of_one_owner_lets_another_have_the_next_turn() {
    let pool = Pool::new(2);
    let gate = Gate::default();
    let turns = Arc::new(AtomicUsize::new(0));
    let flood = request("flood", Size::Large, LONG);
    let count = |wait: Box<dyn FnOnce() -> Result<()> + Send>| {
        let turns = Arc::clone(&turns);
        move || {
            wait()?;
            Ok(turns.fetch_add(1, Ordering::SeqCst))
        }
    };
    let mut flooding = Vec::new();
    for _ in 0..50 {
        let work = count(Box::new(gate.wait()));
        flooding.push(pool.prepare(&flood, work).unwrap());
    }
    until(&pool, (49, 1)).await;
    let other = request("other", Size::Large, LONG);
    let other = pool.prepare(&other, count(Box::new(|| Ok(())))).unwrap();
    gate.open();
    assert_eq!(other.await.unwrap(), 1, "only the running one went first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_wake_up_is_lost_under_load() {
    let pool = Arc::new(Pool::new(3));
    let tasks: Vec<_> = (0..8)
        .map(|number: usize| {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move {
                for turn in 0..400 {
                    let size = match (turn + number) % 3 {
                        0 => Size::Large,
                        _ => Size::Small,
                    };
                    let request = request(&number.to_string(), size, LONG);
                    let prepared = pool.prepare(&request, move || Ok(turn)).unwrap();
                    if (turn + number).is_multiple_of(5) {
                        // Gives up at any time.
                        drop(prepared);
                        continue;
                    }
                    assert_eq!(prepared.await.unwrap(), turn);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    until(&pool, (0, 0)).await;
}
