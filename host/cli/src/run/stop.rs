//! Ends a run early. The first signal stops new requests, and gives those that run or wait time to
//! end. The rest are cancelled.

use std::future::Future;
use std::time::Duration;

use mynah_core::{Model, Registry};
use tokio::time::Instant;

use super::ending::Stop;
use crate::output;

/// Interval at which the requests are counted.
const LOOK: Duration = Duration::from_millis(20);
/// Time that guests have to use the last answer, such as to write it to a file.
const LAST_ANSWER: Duration = Duration::from_millis(500);
/// Maximum time for cancelled requests to end. A step of the model notices a cancel within
/// milliseconds.
const CANCELLED: Duration = Duration::from_secs(3);

/// The requests of all models that have not ended. A model with several names counts once.
fn open_requests(models: &Registry) -> usize {
    let mut counted: Vec<Model> = Vec::new();
    for (_, model) in models.models() {
        if !counted.iter().any(|other| other.is_same(&model)) {
            counted.push(model);
        }
    }
    counted.iter().map(Model::open_requests).sum()
}

/// Stops new requests, says so, and returns when the guests have ended, when no request is left, or
/// when the time is over.
pub(super) async fn drain(
    stop: Stop,
    grace: Duration,
    models: &Registry,
    guests: impl Future<Output = ()>,
) {
    for (_, model) in models.models() {
        model.stop();
    }
    let requests = open_requests(models);
    let grace = match stop {
        Stop::Terminate => grace,
        // A person waits, or has gone.
        Stop::Interrupt | Stop::Hangup => Duration::ZERO,
    };
    let counted = format!("stopping: open requests: {requests}");
    if requests == 0 {
        output::note(&counted);
        return;
    }
    if grace.is_zero() {
        output::note(&format!("{counted}; they are cancelled"));
        return;
    }
    output::note(&format!(
        "{counted}; they have {} to end, new ones are refused (a second signal ends the host at \
         once)",
        humantime::format_duration(grace)
    ));
    tokio::select! {
        () = guests => {}
        () = ended(models, LAST_ANSWER) => {}
        () = tokio::time::sleep(grace) => {
            let left = open_requests(models);
            output::note(&format!(
                "stopping: requests cancelled after {}: {left}",
                humantime::format_duration(grace)
            ));
        }
    }
}

/// Waits until there has been no request for this long.
async fn ended(models: &Registry, quiet: Duration) {
    let mut last = Instant::now();
    while last.elapsed() < quiet {
        if open_requests(models) > 0 {
            last = Instant::now();
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until the requests of guests that are gone have ended as cancelled, so that the log and
/// the last metrics have them.
pub(super) async fn settle(models: &Registry) {
    let deadline = Instant::now() + CANCELLED;
    while open_requests(models) > 0 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
