//! Processes that end, hang, or break the rules: an error for the guest of the model, and nothing
//! for anybody else.

use std::ops::ControlFlow;

use mynah_core::{Event, GuestLoader};
use mynah_isolate::Processes;
use mynah_settings::ModelConfig;

use crate::support::{
    answer, cancel_load, children, load, loader_with, nothing_is_left, read, scripted, session,
    signal, start, until, wait,
};

crate::tests![
    a_process_that_ends_while_it_loads_is_an_error,
    a_process_that_breaks_the_rules_is_ended,
    a_process_that_takes_too_much_memory_ends_alone,
    an_abort_in_a_request_ends_the_requests_of_this_model_alone,
    a_killed_process_is_an_error_for_all_that_waits,
    a_process_killed_between_requests_is_an_error_for_the_next,
    a_process_that_stops_reading_does_not_hold_up_its_callers,
    a_process_that_shouts_fills_nothing,
];

/// The error of a load.
fn refused(what: &str) -> String {
    let error = load(what).unwrap_err();
    nothing_is_left();
    error.to_string()
}

fn a_process_that_ends_while_it_loads_is_an_error() {
    let aborted = refused("aborts");
    assert!(
        aborted.contains("ended by signal 6 (SIGABRT): load the model again"),
        "{aborted}"
    );
    let exited = refused("exits");
    assert!(exited.contains("ended with exit code 0"), "{exited}");
    let panicked = refused("panics");
    assert!(panicked.contains("ended with exit code 101"), "{panicked}");
    assert_eq!(answer(&scripted(), "hello").unwrap(), "hello");
}

fn a_process_that_breaks_the_rules_is_ended() {
    let garbage = refused("garbage");
    assert!(
        garbage.contains("was ended by the host, because it sent"),
        "{garbage}"
    );
    let endless = refused("endless");
    assert!(
        endless.contains("a message of 4294967295 bytes"),
        "{endless}"
    );
    // It is given some time to end by itself, and then ended.
    let closed = refused("closes");
    assert!(closed.contains("signal 9 (SIGKILL"), "{closed}");
    let loader = loader_with(&Processes::default(), ModelConfig::default());
    cancel_load(&loader, "half a frame", 20);
}

fn a_process_that_takes_too_much_memory_ends_alone() {
    let config = ModelConfig {
        max_process_bytes: Some(256 << 20),
        ..ModelConfig::default()
    };
    let loader = loader_with(&Processes::default(), config);
    let loaded = loader.load(b"grows", Box::new(|_| ControlFlow::Continue(())));
    let error = loaded.unwrap_err().to_string();
    assert!(error.contains("SIGABRT"), "{error}");
    nothing_is_left();
}

fn an_abort_in_a_request_ends_the_requests_of_this_model_alone() {
    let (model, other) = (scripted(), scripted());
    let mut waiting = session(&model);
    let begun = wait(start(&mut waiting, "wait")).unwrap();
    let error = answer(&model, "abort").unwrap_err().to_string();
    assert!(error.contains("SIGABRT"), "{error}");
    let begun = wait(read(begun)).unwrap_err().to_string();
    assert_eq!(begun, error);
    assert_eq!(answer(&model, "hello").unwrap_err().to_string(), error);
    assert!(!model.is_alive());
    assert_eq!(answer(&other, "hello").unwrap(), "hello");
    assert_eq!(answer(&scripted(), "hello").unwrap(), "hello");
}

fn a_killed_process_is_an_error_for_all_that_waits() {
    for (name, told) in [
        ("KILL", "signal 9 (SIGKILL"),
        ("ABRT", "signal 6 (SIGABRT)"),
    ] {
        let model = scripted();
        wait(async {
            let mut session = session(&model);
            let mut generation = start(&mut session, "wait").await.unwrap();
            let events = generation.next().await.unwrap();
            assert_eq!(events, [Event::Text("begun ".into())]);
            signal(name);
            let error = generation.next().await.unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        });
        drop(model);
        nothing_is_left();
    }
}

fn a_process_killed_between_requests_is_an_error_for_the_next() {
    let model = scripted();
    assert_eq!(answer(&model, "hello").unwrap(), "hello");
    signal("KILL");
    until("it is noticed", || !model.is_alive());
    assert!(children().is_empty(), "a zombie is left");
    let error = answer(&model, "hello").unwrap_err().to_string();
    assert!(error.contains("SIGKILL"), "{error}");
}

fn a_process_that_stops_reading_does_not_hold_up_its_callers() {
    let model = scripted();
    signal("STOP");
    wait(async {
        let mut sessions: Vec<_> = (0..64).map(|_| session(&model)).collect();
        let text = "x".repeat(1 << 20);
        for session in &mut sessions {
            // It never answers, and the caller leaves.
            let start = start(session, &text);
            let left = tokio::time::timeout(std::time::Duration::from_millis(1), start).await;
            assert!(left.is_err(), "{left:?}");
        }
    });
    drop(model);
    nothing_is_left();
}

fn a_process_that_shouts_fills_nothing() {
    let error = refused("shouts");
    assert!(error.contains("SIGABRT"), "{error}");
    assert!(
        !error.contains("the last words"),
        "they are for the log: {error}"
    );
}
