//! Tests of steps that are aborted because their results are not wanted any more.

use super::host::{Ask, Host, Setup};
use super::known::Faults;

fn slow() -> Host {
    Host::start(Setup {
        batch: 4,
        context: 400,
        cells: 2048,
        faults: Faults::slow(),
        ..Setup::default()
    })
}

#[test]
fn the_step_of_a_cancelled_request_is_aborted_and_counted() {
    let host = slow();
    // Most of the time is spent in steps, so soon one is cancelled within its step.
    for session in 0..200 {
        let cancelled = host.submit(&Ask::new(&[1; 300], 4).session(session));
        host.until(|status| status.cells_used > 4);
        cancelled.cancel();
        drop(cancelled);
        let status = host.settled();
        assert_eq!(status.requests.cancelled, session + 1);
        if status.aborted_steps > 0 {
            assert!(status.aborted_steps <= session + 1 && status.aborted_steps < status.steps);
            return;
        }
    }
    panic!("no step was aborted: {:#?}", host.queue.status());
}

#[test]
fn a_cancelled_request_aborts_no_step_of_others() {
    let host = slow();
    let ask = Ask::new(&[5, 6], 300).session(1);
    let mut reader = host.submit(&ask);
    host.until(|status| status.cells_used > 4);
    for session in 2..40 {
        let cancelled = host.submit(&Ask::new(&[7, 8], 300).session(session));
        host.until(|status| status.running == 2 || status.running == 0);
        cancelled.cancel();
        drop(cancelled);
        host.until(|status| status.running <= 1);
    }
    reader.finish().unwrap();
    assert_eq!(reader.text, ask.answer(&host.setup));
    let status = host.settled();
    assert_eq!((status.aborted_steps, status.requests.completed), (0, 1));
}
