//! Cases 6 to 8: text, and settings of a single run, on the real model.

use mynah_core::{Error, FinishReason};
use mynah_tests::core_driver::Driver;
use mynah_wasi::LlmCtx;

use super::{context, real, run};

/// Case 6, `basic_inference`.
#[tokio::test]
async fn an_answer_has_the_length_that_the_document_asks_for() {
    let model = real(
        r#"{"max_concurrent": 4, "n_gpu_layers": 98, "ctx_size": 2048, "n_predict": 100, "sampling": {"temp": 0.7},
            "ignore_eos": true}"#,
    );
    let (said, outcome) = run(
        &mut context(&model),
        "What is artificial intelligence?",
        "{}",
    )
    .await
    .unwrap();
    assert!(!said.trim().is_empty(), "{outcome:?}");
    assert_eq!(outcome.usage.generated_tokens, 100, "{outcome:?}");
    assert_eq!(outcome.reason, FinishReason::MaxTokens);
}

/// Case 7, `advanced_sampling`.
#[tokio::test]
async fn a_sampling_section_is_in_force_and_one_seed_gives_one_text() {
    let model = real(
        r#"{
        "model": {"n_gpu_layers": 98, "ctx_size": 1024, "n_predict": 80},
        "sampling": {"temp": 0.9, "top_p": 0.8, "top_k": 30, "min_p": 0.1, "typical_p": 0.95, "repeat_penalty": 1.15,
            "presence_penalty": 0.1, "frequency_penalty": 0.1, "penalty_last_n": 32, "mirostat": 1, "mirostat_tau": 4.0,
            "mirostat_eta": 0.2, "seed": 12345},
        "stopping": {"stop": [".", "!", "?"], "max_tokens": 80, "ignore_eos": true}
    }"#,
    );
    // Computed without a cache each time, because a cached prefix changes the shapes of batches.
    let fresh = r#"{"cache_prompt": false}"#;
    let mut context = context(&model);
    let (said, outcome) = run(&mut context, "Write a short story about", fresh)
        .await
        .unwrap();
    assert_eq!(outcome.seed, 12345);
    assert!(!said.contains(['.', '!', '?']), "{said:?}");
    match outcome.reason {
        FinishReason::StopString => {}
        FinishReason::MaxTokens => assert_eq!(outcome.usage.generated_tokens, 80),
        other => panic!("{other:?}: {said:?}"),
    }
    let (again, _) = run(&mut context, "Write a short story about", fresh)
        .await
        .unwrap();
    assert_eq!(again, said, "one seed, one text");
}

/// Case 8, `dynamic_runtime_parameters`.
#[tokio::test]
async fn settings_of_one_run_are_that_runs_alone() {
    const ROBOT: &str = "Generate a creative story about a robot.";

    let model = real(
        r#"{"max_concurrent": 4, "n_gpu_layers": 98, "ctx_size": 2048, "n_predict": 50, "sampling": {"temp": 0.7, "top_p": 0.9},
            "ignore_eos": true}"#,
    );
    let mut context = context(&model);
    // 1: without settings, the model's apply.
    let (said, outcome) = run(&mut context, ROBOT, "{}").await.unwrap();
    assert!(
        !said.is_empty() && outcome.usage.generated_tokens <= 50,
        "{outcome:?}"
    );
    // 2 and 3: more and less random, and shorter.
    for (document, most) in [
        (
            r#"{"temperature": 1.2, "top_p": 0.95, "max_tokens": 40}"#,
            40,
        ),
        (
            r#"{"temperature": 0.2, "top_p": 0.7, "max_tokens": 30}"#,
            30,
        ),
    ] {
        let (said, outcome) = run(&mut context, ROBOT, document).await.unwrap();
        assert!(
            !said.is_empty() && outcome.usage.generated_tokens <= most,
            "{outcome:?}"
        );
    }
    // The next run uses the model's settings again.
    let (_, outcome) = run(&mut context, ROBOT, "{}").await.unwrap();
    assert_eq!(outcome.usage.generated_tokens, 50);
    // 4: stop strings.
    let stops = r#"{"temperature": 0.8, "max_tokens": 100, "stop": [".", "!"]}"#;
    let (said, outcome) = run(&mut context, "List three benefits of AI", stops)
        .await
        .unwrap();
    assert!(!said.contains(['.', '!']), "{said:?}");
    assert!(
        outcome.reason == FinishReason::StopString || outcome.usage.generated_tokens == 100,
        "{outcome:?}"
    );
    // 5: many settings at once, with a seed.
    let many = r#"{"temperature": 0.9, "top_p": 0.85, "top_k": 50, "repeat_penalty": 1.15, "frequency_penalty": 0.1,
        "presence_penalty": 0.1, "max_tokens": 35, "seed": 42, "cache_prompt": false}"#;
    let (said, outcome) = run(
        &mut context,
        "Explain quantum computing in simple terms",
        many,
    )
    .await
    .unwrap();
    assert_eq!(outcome.seed, 42);
    let (again, _) = run(
        &mut context,
        "Explain quantum computing in simple terms",
        many,
    )
    .await
    .unwrap();
    assert_eq!(again, said);
    // 6: a text that is not JSON is an error here and does not mean the defaults. The context still
    // works.
    let refused = run(
        &mut context,
        "Test invalid config",
        r#"{"temperature":0.8,"invalid_json"#,
    )
    .await;
    let Err(Error::Settings { problems }) = refused else {
        panic!("{refused:?}");
    };
    assert!(problems[0].to_string().contains("not JSON"), "{problems:?}");
    // A core module gets a number and continues unchanged.
    let mut guest = Driver::new(LlmCtx::builder().model("default", model.clone())).await;
    let graph = guest.load_by_name("default").await.unwrap();
    let other = guest.init(graph).await.unwrap();
    assert_eq!(guest.set_input(other, 1, br#"{"n-predict": 5}"#).await, 0);
    let broken = br#"{"temperature":0.8,"invalid_json"#;
    assert_eq!(guest.set_input(other, 1, broken).await, 2);
    assert!(
        !guest
            .answer(other, "Test invalid config")
            .await
            .unwrap()
            .is_empty()
    );
    assert!(guest.metadata(other).await["output_tokens"].as_u64() <= Some(5));
    // 7: extreme values in range.
    let extreme = r#"{"temperature": 5.0, "top_p": 0.01, "max_tokens": 10, "repeat_penalty": 2.0}"#;
    let (said, outcome) = run(&mut context, "Hello", extreme).await.unwrap();
    assert!(
        !said.is_empty() && outcome.usage.generated_tokens <= 10,
        "{outcome:?}"
    );
    // The error for values out of range has all ranges at once.
    let refused = run(
        &mut context,
        "Hello",
        r#"{"temperature": 500, "top_p": -0.1, "max_tokens": 0}"#,
    )
    .await;
    let told = refused.unwrap_err().to_string();
    for words in [
        "`temperature` is 500",
        "`top_p` is -0.1",
        "`max_tokens` is 0",
    ] {
        assert!(told.contains(words), "`{words}` in: {told}");
    }
}
