//! Cases from other hosts' own tests that are not about the ABI: WasmEdge's examples, WAMR's and
//! LlamaEdge's, on models available here. The originals mostly check that a program ends without an
//! error; these tests check its output.

use mynah_core::Model;
use mynah_settings::{Settings, Stopping};
use mynah_tests::core_driver::Driver;
use mynah_tests::{gemma, solo};
use serde_json::Value;

use super::*;

/// A question in the model's chat format.
fn chat(question: &str) -> String {
    format!("<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n")
}

/// A module with a context of this model and these settings.
async fn of(model: Model, settings: &str) -> Driver {
    let mut driver = with(model).await;
    assert_eq!(driver.load_with_config("default", settings).await, Ok(0));
    assert_eq!(driver.init(0).await, Ok(0));
    driver
}

/// A model that can be unloaded and is loaded again from its file.
fn unloadable() -> (tempfile::TempDir, Model) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    TinyModel::default().write_to(&path).unwrap();
    let config = ModelConfig {
        keep_alive: Some(std::time::Duration::from_secs(3600)),
        defaults: greedy(4),
        ..ModelConfig::default()
    };
    let model = mynah_engine::load(&path, config, |_| {}).unwrap();
    (folder, model)
}

#[tokio::test]
async fn wasinn_examples_gemma() {
    let mut driver = of(
        gemma(),
        r#"{"enable-log": true, "n-predict": 8, "temp": 0}"#,
    )
    .await;
    let text = driver
        .answer(0, "Monday, Tuesday, Wednesday,")
        .await
        .unwrap();
    assert!(text.contains("Thursday"), "{text}");
}

#[tokio::test]
async fn wasinn_examples_llama_and_llama_stream() {
    let settings = r#"{"enable-log": false, "ctx-size": 4096, "n-predict": 24, "temp": 0, "reverse-prompt": "<|im_end|>"}"#;
    let mut driver = of(solo(), settings).await;
    let text = driver
        .answer(0, &chat("What is the capital of France?"))
        .await
        .unwrap();
    assert!(text.contains("Paris"), "{text}");
    let mut streamed = String::new();
    while driver.call("compute_single", &[0]).await == OK {
        let piece = driver.output("get_output_single", 0, 0).await.unwrap();
        streamed.push_str(&String::from_utf8(piece).unwrap());
    }
    assert_eq!(streamed, text);
}

#[tokio::test]
async fn wasinn_examples_set_input_twice() {
    let mut driver = of(solo(), r#"{"n-predict": 8, "temp": 0}"#).await;
    let expected = driver.answer(0, "The capital of France is").await.unwrap();
    // The later prompt counts.
    assert_eq!(driver.set_input(0, 0, b"One, two, three,").await, OK);
    assert_eq!(
        driver.set_input(0, 0, b"The capital of France is").await,
        OK
    );
    assert_eq!(driver.call("compute", &[0]).await, OK);
    assert_eq!(driver.text(0).await, expected);
    // Computing again gives the same text.
    assert_eq!(driver.call("compute", &[0]).await, OK);
    assert_eq!(driver.text(0).await, expected);
}

#[tokio::test]
async fn wasinn_examples_model_not_found() {
    // A name that was never granted gives 8; a model whose file is missing gives 103.
    let (folder, model) = unloadable();
    let mut driver = with(model.clone()).await;
    assert_eq!(driver.load_by_name("other").await, Err(NOT_FOUND));
    assert_eq!(driver.load_by_name("default").await, Ok(0));
    assert_eq!(driver.init(0).await, Ok(0));
    assert!(driver.answer(0, PROMPT).await.is_ok());
    assert!(model.unload());
    drop(folder);
    assert_eq!(
        driver.call("compute", &[0]).await,
        Errno::ModelNotFound.number()
    );
    assert_eq!(
        driver.call("compute_single", &[0]).await,
        Errno::ModelNotFound.number()
    );
}

#[tokio::test]
async fn a_context_is_used_again_when_its_model_has_left_memory() {
    let (_folder, model) = unloadable();
    let mut driver = with(model.clone()).await;
    assert_eq!(driver.load_by_name("default").await, Ok(0));
    assert_eq!(driver.init(0).await, Ok(0));
    let text = driver.answer(0, PROMPT).await.unwrap();
    assert!(model.unload());
    assert_eq!(driver.answer(0, PROMPT).await, Ok(text));
}

#[tokio::test]
async fn llamaedge_chat_says_paris() {
    let mut driver = of(solo(), r#"{"n-predict": 24, "temp": 0}"#).await;
    let text = driver
        .answer(0, &chat("What is the capital of France?"))
        .await
        .unwrap();
    assert!(text.contains("Paris"), "{text}");
    let about = driver.metadata(0).await;
    assert_eq!(about["finish_reason"], "end-of-generation", "{about}");
}

#[tokio::test]
async fn llamaedge_a_wrong_model_name_is_no_other_model() {
    // In LlamaEdge, the first model answers in place of an unknown one. Here, a guest that wants
    // this must do it itself.
    let mut driver = with(tiny()).await;
    assert_eq!(driver.load_by_name("wrong").await, Err(NOT_FOUND));
    assert_eq!(driver.load_with_config("wrong", "{}").await, Err(NOT_FOUND));
}

#[tokio::test]
async fn llamaedge_ten_texts_have_ten_vectors() {
    let mut driver = of(solo(), r#"{"embedding": true}"#).await;
    let mut vectors = Vec::new();
    for number in 0..10 {
        let text = driver.answer(0, &format!("parrot {number}")).await.unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["embedding"].as_array().unwrap().len(), 576);
        assert!(!vectors.contains(&text));
        vectors.push(text);
    }
}

#[tokio::test]
async fn llamaedge_tokens_are_counted_to_leave_out_what_does_not_fit() {
    // As LlamaEdge's guests do it: count tokens, and drop the oldest message until the prompt takes
    // at most 80 % of the context.
    let config = ModelConfig {
        ctx_size: Some(256),
        max_concurrent: 1,
        defaults: Settings {
            stopping: Stopping {
                max_tokens: Some(8),
                ..Stopping::default()
            },
            ..Settings::greedy()
        },
        ..ModelConfig::default()
    };
    let mut driver = of(tiny_with(config), "{}").await;
    let mut messages: Vec<String> = (0..100)
        .map(|number| format!("message {number}; "))
        .collect();
    let mut counted = Vec::new();
    loop {
        let prompt = messages.concat();
        assert_eq!(driver.set_input(0, 0, prompt.as_bytes()).await, OK);
        let tokens = driver.metadata(0).await["input_tokens"].as_u64().unwrap();
        counted.push(tokens);
        if tokens <= 256 * 80 / 100 {
            break;
        }
        messages.remove(0);
    }
    assert!(counted.len() > 5 && counted[0] > 256 && counted.is_sorted_by(|a, b| a > b));
    assert_eq!(driver.call("compute", &[0]).await, OK);
}
