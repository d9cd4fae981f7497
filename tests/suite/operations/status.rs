//! The status of a host: counters are exact, and all views agree.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mynah_core::{
    Error, FinishReason, ModelState, Observer, Report, RequestEnd, RequestOutcome, SessionState,
    Task, Usage,
};
use mynah_settings::{ModelConfig, Scheduling, Settings, Stopping};
use mynah_tests::{greedy, solo, tiny_with};

use crate::support::generations::{finish, session, start, text, until};

/// Settings for answers of exactly this number of tokens.
fn exactly(max_tokens: u32) -> Settings {
    Settings {
        stopping: Stopping {
            max_tokens: Some(max_tokens),
            ignore_eos: Some(true),
            ..Stopping::default()
        },
        ..greedy(max_tokens)
    }
}

#[tokio::test]
async fn every_total_is_what_happened() {
    let model = tiny_with(ModelConfig {
        // Large enough for an answer that outlasts everything else here.
        ctx_size: Some(16_384),
        max_unread_bytes: 1 << 20,
        max_concurrent: 1,
        queue_size: 2,
        ..ModelConfig::default()
    });
    // Three requests that complete. Two of them are in one session: the second reuses the first's
    // prompt.
    let mut conversation = session(&model);
    let first = text("one parrot");
    let tokens = model.tokens(first.clone()).await.unwrap().len() as u64;
    for _ in 0..2 {
        let mut generation = conversation.start(first.clone(), exactly(8)).await.unwrap();
        finish(&mut generation).await;
    }
    let mut other = start(&model, text("another"), exactly(5)).await.unwrap();
    let (_, outcome) = finish(&mut other).await;
    drop(other);
    // One request runs for long and two wait: one times out, one is cancelled. Two more are
    // refused.
    let long = start(&model, text("long"), exactly(16_000)).await.unwrap();
    // The worker publishes its status with a delay, but the queue's length is exact.
    until(&model, |status| status.queued == 0 && status.running == 1).await;
    let hurried = Settings {
        scheduling: Scheduling {
            queue_timeout: Some(Duration::from_millis(1)),
            ..Scheduling::default()
        },
        ..exactly(1)
    };
    let late = start(&model, text("late"), hurried).await.unwrap();
    let given_up = start(&model, text("given up"), exactly(1)).await.unwrap();
    let mut refused = 0;
    for _ in 0..2 {
        match start(&model, text("refused"), exactly(1)).await {
            Err(Error::Busy { .. }) => refused += 1,
            // The request that timed out has left the queue, so there was room.
            other => drop(other),
        }
    }
    until(&model, |status| status.requests.timed_out == 1).await;
    drop((late, given_up, long));
    let texts = [text("one"), text("two")];
    let vectors = conversation.embed(&texts, Settings::default()).await;
    let vectors = vectors.unwrap();
    until(&model, |status| status.queued + status.running == 0).await;

    let status = model.status();
    let requests = status.requests;
    assert_eq!(requests.accepted, requests.ended());
    assert_eq!(
        (requests.completed, requests.timed_out, requests.failed),
        (4, 1, 0)
    );
    assert_eq!(requests.refused, refused);
    assert_eq!(requests.cancelled, 2 + (2 - refused));
    let performance = &status.performance;
    // In the second turn, all tokens but the last were cached.
    let long_prompt = model.tokens(text("long")).await.unwrap().len() as u64;
    let computed = tokens
        + 1
        + u64::from(outcome.usage.prompt_tokens)
        + long_prompt
        + u64::from(vectors.prompt_tokens);
    assert_eq!(performance.prompt_tokens, computed);
    assert_eq!(
        (status.cache.hits, status.cache.cached_tokens),
        (1, tokens - 1)
    );
    assert_eq!(performance.first_token.count(), 4);
    let generated = performance.generated_tokens;
    assert!(generated >= 8 + 8 + 5, "{generated}");
    assert_eq!(performance.between_tokens.count(), generated - 4);
    assert_eq!(
        performance.step.count(),
        status.steps - status.aborted_steps
    );
    assert_eq!(status.embedding.texts, 2);

    // All views are derived from the same data.
    let report = model.report();
    assert_eq!(report.queue.completed, requests.completed);
    assert_eq!(report.queue.refused, requests.refused);
    assert_eq!(report.queue.timed_out, requests.timed_out);
    assert_eq!(report.queue.cancelled, requests.cancelled);
    assert_eq!(report.performance.prompt_tokens, performance.prompt_tokens);
    assert_eq!(report.performance.generated_tokens, generated);
    assert_eq!(report.memory.cached_tokens, status.cache.cached_tokens);
    assert_eq!(report.model.requests_served, Some(4));
    let json = serde_json::to_string(&report).unwrap();
    let again: Report = serde_json::from_str(&json).unwrap();
    assert_eq!(again.queue, report.queue);
}

#[tokio::test]
async fn a_session_tells_where_it_is() {
    let model = tiny_with(ModelConfig {
        ctx_size: Some(256),
        max_concurrent: 1,
        defaults: exactly(4),
        ..ModelConfig::default()
    });
    let mut first = session(&model);
    assert_eq!(
        (first.status().state, first.status().tokens),
        (SessionState::Cold, 0)
    );
    let long = text("a parrot that speaks of many things, of shoes and ships and sealing wax");
    let length = u32::try_from(model.tokens(long.clone()).await.unwrap().len()).unwrap();
    finish(&mut first.start(long, Settings::default()).await.unwrap()).await;
    until(&model, |status| status.sessions_resident == 1).await;
    let status = first.status();
    assert_eq!(
        (status.state, status.tokens),
        (SessionState::Resident, length + 3)
    );
    let mut second = session(&model);
    let mut running = second.start(text("b"), exactly(200)).await.unwrap();
    until(&model, |status| status.sessions_parked == 1).await;
    assert_eq!(first.status().state, SessionState::Parked);
    let mut waiting = first.start(text("c"), exactly(1)).await.unwrap();
    assert_eq!(first.status().state, SessionState::Waiting);
    assert_ne!(first.status().id, second.status().id);
    let sessions = model.report().sessions;
    assert_eq!((sessions.open, sessions.busy, sessions.idle), (2, 2, 0));
    running.cancel();
    finish(&mut running).await;
    finish(&mut waiting).await;
}

#[tokio::test]
async fn a_model_tells_what_it_is_and_how_fast() {
    let model = solo();
    let mut generation = start(&model, text("The capital of France is"), exactly(16))
        .await
        .unwrap();
    finish(&mut generation).await;
    let Report {
        model: about,
        performance,
        memory,
        queue,
        ..
    } = model.report();
    assert_eq!((about.architecture.as_str(), about.layers), ("llama", 30));
    assert_eq!(
        (about.layers_on_device, about.state),
        (0, ModelState::Loaded)
    );
    assert!(about.loaded_since.is_some() && about.kept_until.is_none());
    assert!(performance.minute.generated > 0.0 && performance.minute.prompt > 0.0);
    assert!(performance.first_token.p50_ms > Some(0.0));
    assert!(performance.between_tokens.p99_ms >= performance.between_tokens.p50_ms);
    assert!(performance.batch_fill > 0.0 && performance.batch_fill <= 1.0);
    assert!(performance.sampling_share > 0.0 && performance.sampling_share < 1.0);
    assert!(memory.process.is_some_and(|process| process.used > 1 << 20));
    assert_eq!(memory.cells_total % 256, 0);
    // Other components may use the same model meanwhile.
    let waiting = queue.by_priority;
    let waiting = [waiting.low, waiting.normal, waiting.high, waiting.urgent];
    assert_eq!(waiting.iter().sum::<u64>(), queue.length);
}

#[test]
fn a_model_that_was_unloaded_tells_what_it_had_done() {
    let model = tiny_with(ModelConfig {
        keep_alive: Some(Duration::from_secs(3600)),
        ..ModelConfig::default()
    });
    let report = model.report();
    let kept_until = report.model.kept_until.unwrap();
    assert!(kept_until >= report.model.loaded_since.unwrap() + 3599);
    assert!(model.unload());
    let report = model.report();
    assert_eq!(report.model.state, ModelState::Unloaded);
    assert_eq!(
        (report.model.loaded_since, report.memory.cells_total),
        (None, 0)
    );
}

#[tokio::test]
async fn an_observer_is_told_of_every_request_when_it_has_ended() {
    let told: Arc<Mutex<Vec<RequestEnd>>> = Arc::default();
    let observer = Observer::new({
        let told = Arc::clone(&told);
        move |end| told.lock().unwrap().push(end)
    });
    let observer = observer.unwrap();
    let config = ModelConfig {
        // Large enough for an answer that outlasts everything else here.
        ctx_size: Some(65_536),
        max_unread_bytes: 16 << 20,
        max_concurrent: 1,
        queue_size: 1,
        ..ModelConfig::default()
    };
    let model = tiny_with(config).with_observer(observer.clone());
    let mut session = session(&model);
    let mut generation = session.start(text("one parrot"), exactly(8)).await.unwrap();
    let (_, outcome) = finish(&mut generation).await;
    let texts = [text("one"), text("two")];
    let vectors = session.embed(&texts, Settings::default()).await.unwrap();
    let long = start(&model, text("long"), exactly(60_000)).await.unwrap();
    until(&model, |status| status.queued == 0 && status.running == 1).await;
    let waits = start(&model, text("waits"), exactly(1)).await.unwrap();
    let refused = start(&model, text("refused"), exactly(1)).await;
    assert!(
        matches!(refused, Err(Error::Busy { .. })),
        "{:?}",
        refused.err()
    );
    drop((waits, long));
    until(&model, |status| status.queued + status.running == 0).await;
    assert!(observer.flush(Duration::from_secs(60)));
    assert_eq!(observer.missed(), 0);

    let told = told.lock().unwrap();
    let mut outcomes: Vec<&RequestOutcome> = told.iter().map(|end| &end.outcome).collect();
    assert_eq!(
        outcomes[..2],
        [
            &RequestOutcome::Completed(Some(FinishReason::MaxTokens)),
            &RequestOutcome::Completed(None)
        ]
    );
    outcomes.retain(|outcome| matches!(outcome, RequestOutcome::Cancelled));
    assert_eq!((told.len(), outcomes.len()), (5, 2), "{told:?}");
    let refused = told.iter().find_map(|end| match &end.outcome {
        RequestOutcome::Refused(error) => Some(error),
        _ => None,
    });
    assert!(
        refused.is_some_and(|error| error.contains("queue")),
        "{refused:?}"
    );
    // The observer gets the same usage as the reader, and the request's owner.
    let [first, second, ..] = told.as_slice() else {
        panic!("{told:?}");
    };
    let counts = |usage: &Usage| {
        (
            usage.prompt_tokens,
            usage.cached_tokens,
            usage.generated_tokens,
        )
    };
    assert_eq!(counts(&first.usage), counts(&outcome.usage));
    assert_eq!((first.task, second.task), (Task::Complete, Task::Embed));
    assert_eq!(second.usage.prompt_tokens, vectors.prompt_tokens);
    assert_eq!(&*first.owner, session.owner().name());
    assert_eq!(first.session, session.status().id);
    assert!(Arc::ptr_eq(&first.model, &model.info()));
    let settings = first.settings.as_ref().unwrap();
    assert_eq!(settings.stopping.max_tokens, 8);
}

#[tokio::test]
async fn an_observer_that_is_slow_misses_some_and_costs_nobody_time() {
    let (go_on, waits) = std::sync::mpsc::channel::<()>();
    let observer = Observer::new(move |_| {
        // Blocks until the end of the test.
        let _ = waits.recv();
    });
    let observer = observer.unwrap();
    let config = ModelConfig {
        // Large enough for an answer that outlasts everything else here.
        ctx_size: Some(65_536),
        max_unread_bytes: 16 << 20,
        max_concurrent: 1,
        queue_size: 1,
        ..ModelConfig::default()
    };
    let model = tiny_with(config).with_observer(observer.clone());
    let long = start(&model, text("long"), exactly(60_000)).await.unwrap();
    until(&model, |status| status.queued == 0 && status.running == 1).await;
    let waits = start(&model, text("waits"), exactly(1)).await.unwrap();
    // More events than the observer's queue holds.
    let mut session = session(&model);
    for _ in 0..5000 {
        let refused = session.start(text("refused"), exactly(1)).await;
        assert!(matches!(refused, Err(Error::Busy { .. })));
    }
    assert!(observer.missed() > 0);
    assert!(!observer.flush(Duration::from_millis(10)));
    drop((waits, long, go_on));
}
