//! Tests of the contract on a scripted backend: what guests see of any backend, without a model.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mynah_core::testing::{EchoLoader, Gate, Scripted, Step};
use mynah_core::{
    Capabilities, Error, Feature, FinishReason, Model, Owner, Prompt, RequestOutcome, Task,
};
use mynah_settings::{Sampling, Settings};
use mynah_tests::Guest;
use mynah_tests::core_driver::Driver;
use mynah_wasi::{Errno, GuestModels, LlmCtx};

fn text(text: &str) -> Prompt {
    Prompt::Text(text.to_owned())
}

/// A core module with a context of this model.
async fn module(model: Model) -> Driver {
    let mut driver = Driver::new(LlmCtx::builder().model("default", model)).await;
    assert_eq!(driver.load_by_name("default").await, Ok(0));
    assert_eq!(driver.init(0).await, Ok(0));
    driver
}

#[tokio::test]
async fn a_component_gets_what_the_backend_says() {
    let model = Scripted::saying("in one piece").into_model();
    assert_eq!(
        Guest::new("nn_complete").model(model).stdout().await,
        "in one piece\n"
    );
}

#[tokio::test]
async fn streaming_is_bounded_by_the_tokens_that_the_guest_asks_for() {
    let pieces = ["one ", "two ", "three ", "four"];
    let model = Scripted::new(move |_| pieces.map(Step::from).to_vec()).into_model();
    let guest = Guest::new("stream_text").args(&["count", "2"]).model(model);
    let said = guest.stdout().await;
    assert!(said.starts_with("one two "), "{said}");
    assert!(!said.contains("three"), "{said}");
}

#[tokio::test]
async fn a_core_module_counts_and_reads_what_the_backend_says() {
    let mut driver = module(Scripted::echo().into_model()).await;
    assert_eq!(
        driver.answer(0, "say it again").await,
        Ok("say it again".to_owned())
    );
    let about = driver.metadata(0).await;
    assert_eq!(about["input_tokens"], 3);
    assert_eq!(about["finish_reason"], "end-of-generation");
    // The backend's build, under the backend's own names.
    assert_eq!(about["scripted_version"], 1);
    assert_eq!(about.get("llama_commit"), None);
}

#[tokio::test]
async fn text_before_a_failure_stays_readable() {
    let script = |_: &Prompt| vec!["half an ".into(), Step::Fail("it broke".to_owned())];
    let mut driver = module(Scripted::new(script).into_model()).await;
    let broken = Errno::RuntimeError.number();
    assert_eq!(driver.answer(0, "go on").await, Err(broken));
    assert_eq!(driver.text(0).await, "half an ");

    let vanished = |_: &Prompt| vec!["half an ".into(), Step::Vanish];
    let mut driver = module(Scripted::new(vanished).into_model()).await;
    assert_eq!(driver.answer(0, "go on").await, Err(broken));
    assert_eq!(driver.text(0).await, "half an ");
}

#[tokio::test]
async fn a_refusal_has_its_number_whatever_the_backend() {
    for (error, errno) in [
        (
            (|| Error::Busy {
                queued: 1,
                capacity: 1,
                estimated_wait: None,
            }) as fn() -> Error,
            Errno::Busy,
        ),
        (
            || Error::PromptTooLong {
                prompt: 9,
                at_least: false,
                context: 8,
            },
            Errno::PromptTooLong,
        ),
        (|| Error::Unavailable, Errno::RuntimeError),
    ] {
        let mut driver = module(Scripted::echo().refusing(error).into_model()).await;
        assert_eq!(
            driver.answer(0, "go on").await,
            Err(errno.number()),
            "{errno:?}"
        );
    }
}

#[tokio::test]
async fn what_a_backend_lacks_is_refused_and_named() {
    let lacking = Scripted::echo().with_capabilities(Capabilities {
        text: true,
        ..Capabilities::default()
    });
    let model = lacking.into_model();
    let mut session = model.session(Owner::unique()).unwrap();
    let probabilities = Settings {
        sampling: Sampling {
            n_probs: Some(2),
            ..Sampling::default()
        },
        ..Settings::default()
    };
    let error = session
        .start(text("go on"), probabilities)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Unsupported {
                feature: Feature::LogProbabilities,
                backend: Scripted::NAME,
                ..
            }
        ),
        "{error}"
    );
    // The unsupported setting is not listed, and none of the others is missing.
    let effective = session.effective();
    let has = |path: &str| effective.iter().any(|setting| setting.path == path);
    assert!(!has("sampling.n_probs") && !has("output.regex"));
    assert!(has("sampling.temperature") && has("stopping.max_tokens"));

    // A core module gets the corresponding error number.
    let mut driver = module(model).await;
    let regex = br#"{"regex": "[a-z]+"}"#;
    assert_eq!(driver.set_input(0, 1, regex).await, 0);
    assert_eq!(
        driver.answer(0, "go on").await,
        Err(Errno::UnsupportedOperation.number())
    );
}

#[tokio::test]
async fn a_guest_may_bring_a_model_of_any_loader() {
    let own = GuestModels::new(Arc::new(EchoLoader));
    let grant = LlmCtx::builder().guest_models(own);
    let mut driver = Driver::new(grant).await;
    // One builder of 4 bytes, as ggml on the CPU.
    driver.put_numbers(64, &[4096, 4]);
    driver.put(4096, b"echo");
    assert_eq!(driver.call("load", &[64, 1, 5, 0, 16]).await, 0);
    let graph = driver.number(16);
    assert_eq!(driver.init(graph).await, Ok(0));
    assert_eq!(
        driver.answer(0, "mine alone").await,
        Ok("mine alone".to_owned())
    );
}

#[tokio::test]
async fn a_session_runs_one_generation_and_dropping_it_cancels() {
    let gate = Gate::new();
    let shut = gate.clone();
    let script = move |_: &Prompt| vec!["begun ".into(), Step::Wait(shut.clone()), "ended".into()];
    let ends = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ends);
    let observer = mynah_core::Observer::new(move |end| seen.lock().unwrap().push(end)).unwrap();
    let model = Scripted::new(script).into_model();
    let model = model.with_observer(observer.clone());
    let mut session = model.session(Owner::named("somebody")).unwrap();
    let generation = session
        .start(text("go on"), Settings::default())
        .await
        .unwrap();
    let busy = session.start(text("go on"), Settings::default()).await;
    assert!(matches!(busy, Err(Error::SessionBusy)), "{busy:?}");
    drop(generation);
    // The script waits at its closed gate until it sees the cancellation.
    while model.status().running > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(model.status().requests.cancelled, 1);
    gate.open();
    let mut again = session
        .start(text("go on"), Settings::default())
        .await
        .unwrap();
    let mut said = String::new();
    let reason = loop {
        let mut ended = None;
        for event in again.next().await.unwrap() {
            match event {
                mynah_core::Event::Text(text) => said += &text,
                mynah_core::Event::Finished(outcome) => ended = Some(outcome.reason),
                _ => {}
            }
        }
        if let Some(reason) = ended {
            break reason;
        }
    };
    assert_eq!(
        (said.as_str(), reason),
        ("begun ended", FinishReason::EndOfGeneration)
    );
    assert!(observer.flush(Duration::from_secs(60)));
    // One was refused while another ran, one was cancelled, and one ended by itself.
    let ends = ends.lock().unwrap();
    let outcomes: Vec<&RequestOutcome> = ends.iter().map(|end| &end.outcome).collect();
    assert!(
        matches!(
            outcomes[..],
            [
                RequestOutcome::Rejected(_),
                RequestOutcome::Cancelled,
                RequestOutcome::Completed(Some(FinishReason::EndOfGeneration)),
            ]
        ),
        "{outcomes:?}"
    );
    assert!(
        ends.iter()
            .all(|end| end.task == Task::Complete && &*end.owner == "somebody")
    );
}
