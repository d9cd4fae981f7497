//! Reading an answer: its metadata, token counts before the computation, and buffers of length 0.

use mynah_tests::core_driver::{BUFFER, Driver, MEMORY_BYTES, PLACE};

use super::*;

#[tokio::test]
async fn tokens_of_the_prompt_are_counted_before_anything_is_computed() {
    let model = tiny();
    let expected = model
        .tokens(mynah_core::Prompt::Text(PROMPT.into()))
        .await
        .unwrap()
        .len();
    let mut driver = with(model).await;
    assert_eq!(driver.load_by_name("default").await, Ok(0));
    assert_eq!(driver.init(0).await, Ok(0));
    assert_eq!(driver.metadata(0).await["input_tokens"], 0);
    assert_eq!(driver.set_input(0, 0, PROMPT.as_bytes()).await, OK);
    let about = driver.metadata(0).await;
    assert_eq!(about["input_tokens"], expected);
    assert_eq!(about["output_tokens"], 0);
    assert!(about["llama_build_number"].as_u64() > Some(0), "{about}");
    assert!(about["llama_commit"].is_string(), "{about}");
    assert_eq!(about.get("finish_reason"), None, "it has not ended");
}

#[tokio::test]
async fn the_end_is_told_with_what_it_took() {
    let mut driver = computed().await;
    let about = driver.metadata(0).await;
    assert_eq!(about["finish_reason"], "max-tokens");
    assert_eq!(about["output_tokens"], 16);
    assert_eq!(about["cached_tokens"], 0);
    for time in ["queue_ms", "prefill_ms", "decode_ms"] {
        assert!(about[time].as_f64() >= Some(0.0), "{about}");
    }
    // Each prompt starts a new answer, but its beginning may be in the prefix cache.
    driver.answer(0, PROMPT).await.unwrap();
    assert!(driver.metadata(0).await["cached_tokens"].as_u64() > Some(0));
}

#[tokio::test]
async fn a_prompt_that_does_not_fit_is_counted_and_refused_when_it_is_computed() {
    let mut driver = with(unbounded(64)).await;
    assert_eq!(driver.load_by_name("default").await, Ok(0));
    assert_eq!(driver.init(0).await, Ok(0));
    let long = "one two three ".repeat(50);
    assert_eq!(driver.set_input(0, 0, long.as_bytes()).await, OK);
    assert!(driver.metadata(0).await["input_tokens"].as_u64() > Some(64));
    assert_eq!(driver.call("compute", &[0]).await, PROMPT_TOO_LONG);
    assert_eq!(driver.call("compute_single", &[0]).await, PROMPT_TOO_LONG);
    // The context still works afterwards.
    assert_eq!(driver.set_input(0, 0, PROMPT.as_bytes()).await, OK);
    assert!([OK, FULL].contains(&driver.call("compute", &[0]).await));
    // A prompt with too many bytes is refused without counting its tokens.
    let model = tiny_with(ModelConfig {
        max_prompt_bytes: 100,
        ..ModelConfig::default()
    });
    let mut driver = with(model).await;
    assert_eq!(driver.load_by_name("default").await, Ok(0));
    assert_eq!(driver.init(0).await, Ok(0));
    assert_eq!(
        driver.set_input(0, 0, long.as_bytes()).await,
        PROMPT_TOO_LONG
    );
    assert_eq!(driver.set_input(0, 0, b"").await, INVALID);
}

#[tokio::test]
async fn there_are_two_outputs() {
    let mut driver = computed().await;
    for index in [2, 3, u32::MAX] {
        for function in ["get_output", "get_output_single"] {
            assert_eq!(driver.output(function, 0, index).await, Err(INVALID));
        }
    }
    let whole = driver.output("get_output", 0, 1).await;
    assert_eq!(driver.output("get_output_single", 0, 1).await, whole);
}

/// A module that may pass a length of 0, and whose context 0 has answered.
async fn lenient() -> (Driver, String) {
    let grant = granted(tiny()).lenient_output_size(true);
    let mut driver = Driver::new(grant).await;
    assert_eq!(driver.load_by_name("default").await, Ok(0));
    assert_eq!(driver.init(0).await, Ok(0));
    let text = driver.answer(0, PROMPT).await.unwrap();
    (driver, text)
}

#[tokio::test]
async fn llamaedge_a_length_of_zero_with_a_large_buffer_needs_leave() {
    let mut strict = computed().await;
    assert_eq!(
        strict.call("get_output", &[0, 0, BUFFER, 0, PLACE]).await,
        TOO_LARGE
    );
    let (mut driver, text) = lenient().await;
    for function in ["get_output", "get_output_single"] {
        let expected = match function {
            "get_output" => text.as_str(),
            _ => "",
        };
        assert_eq!(driver.call(function, &[0, 0, BUFFER, 0, PLACE]).await, OK);
        assert_eq!(driver.number(PLACE) as usize, expected.len());
        let written = &driver.memory()[BUFFER as usize..][..expected.len()];
        assert_eq!(written, expected.as_bytes());
    }
}

#[tokio::test]
async fn leave_for_a_length_of_zero_ends_where_the_memory_ends() {
    let (mut driver, text) = lenient().await;
    let size = u32::try_from(text.len()).unwrap();
    let end = u32::try_from(driver.memory().len()).unwrap();
    assert_eq!(end, MEMORY_BYTES);
    driver.put(end - size, &vec![0xA5; text.len()]);
    driver.put_numbers(PLACE, &[77]);
    assert_eq!(
        driver
            .call("get_output", &[0, 0, end - size + 1, 0, PLACE])
            .await,
        INVALID
    );
    assert!(
        driver.memory().ends_with(&vec![0xA5; text.len()]),
        "nothing is written"
    );
    assert_eq!(driver.number(PLACE), 77);
    assert_eq!(
        driver
            .call("get_output", &[0, 0, end - size, 0, PLACE])
            .await,
        OK
    );
    assert!(driver.memory().ends_with(text.as_bytes()));
    // A length other than 0 is respected.
    assert_eq!(
        driver.call("get_output", &[0, 0, BUFFER, 1, PLACE]).await,
        TOO_LARGE
    );
}
