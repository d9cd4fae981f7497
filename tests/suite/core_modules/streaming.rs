//! Text piece by piece. It includes WasmEdge's cases with a server, which are local here.

use mynah_tests::core_driver::{BUFFER, Driver, PLACE};
use mynah_tests::solo;

use super::*;

/// Computes piece by piece to the end. Returns the pieces and the number of the end.
async fn pieces(driver: &mut Driver, context: u32) -> (Vec<String>, u32) {
    let mut pieces = Vec::new();
    loop {
        match driver.call("compute_single", &[context]).await {
            OK => {
                let piece = driver
                    .output("get_output_single", context, 0)
                    .await
                    .unwrap();
                pieces.push(String::from_utf8(piece).expect("whole characters"));
            }
            errno => return (pieces, errno),
        }
    }
}

/// A module with a context of the real model.
async fn real(config: &str) -> Driver {
    let mut driver = with(solo()).await;
    assert_eq!(driver.load_with_config("default", config).await, Ok(0));
    assert_eq!(driver.init(0).await, Ok(0));
    driver
}

const QUESTION: &str =
    "<|im_start|>user\nCount from one to five.<|im_end|>\n<|im_start|>assistant\n";

#[tokio::test]
async fn pieces_say_what_compute_says_and_end_with_100() {
    let mut driver = real("{}").await;
    let whole = driver.answer(0, QUESTION).await.unwrap();
    let about = driver.metadata(0).await;
    let (pieces, errno) = pieces(&mut driver, 0).await;
    assert_eq!((pieces.concat(), errno), (whole.clone(), END));
    assert!(
        pieces.len() > 5,
        "one for each token that makes text: {pieces:?}"
    );
    assert_eq!(driver.text(0).await, whole);
    let streamed = driver.metadata(0).await;
    for key in ["input_tokens", "output_tokens", "finish_reason"] {
        assert_eq!(streamed[key], about[key], "{key}");
    }
    // It stays at its end until it is restarted.
    assert_eq!(driver.call("compute_single", &[0]).await, END);
    assert_eq!(
        driver.output("get_output_single", 0, 0).await,
        Ok(Vec::new())
    );
    assert_eq!(driver.call("fini_single", &[0]).await, OK);
    assert_eq!(driver.text(0).await, "");
    assert_eq!(driver.call("compute_single", &[0]).await, OK);
    let first = driver.output("get_output_single", 0, 0).await.unwrap();
    assert_eq!(String::from_utf8(first).unwrap(), pieces[0]);
}

#[tokio::test]
async fn tokens_are_counted_while_text_is_streamed() {
    let mut driver = loaded().await;
    assert_eq!(driver.set_input(0, 0, PROMPT.as_bytes()).await, OK);
    let mut before = 0;
    loop {
        let errno = driver.call("compute_single", &[0]).await;
        let about = driver.output("get_output_single", 0, 1).await.unwrap();
        let about: serde_json::Value = serde_json::from_slice(&about).unwrap();
        let tokens = about["output_tokens"].as_u64().unwrap();
        if errno == END {
            assert_eq!(tokens, 16);
            break;
        }
        assert_eq!(errno, OK);
        assert!(tokens > before, "{tokens} after {before}");
        before = tokens;
    }
}

#[tokio::test]
async fn pieces_are_whole_characters() {
    // A random model generates bytes, most of which are not text.
    let mut driver = with(unbounded(512)).await;
    let config = r#"{"temp": 100, "top-k": 0, "top-p": 1, "min-p": 0, "seed": 7, "ignore-eos": true, "n-predict": 300}"#;
    assert_eq!(driver.load_with_config("default", config).await, Ok(0));
    assert_eq!(driver.init(0).await, Ok(0));
    let whole = driver.answer(0, PROMPT).await.unwrap();
    let (pieces, errno) = pieces(&mut driver, 0).await;
    assert_eq!((pieces.concat(), errno), (whole, END));
}

#[tokio::test]
async fn n_predict_and_reverse_prompt_hold_in_streaming_too() {
    let mut driver = real(r#"{"n-predict": 3}"#).await;
    assert_eq!(driver.set_input(0, 0, QUESTION.as_bytes()).await, OK);
    let (three, errno) = pieces(&mut driver, 0).await;
    assert_eq!((three.len(), errno), (3, END));
    assert_eq!(driver.metadata(0).await["finish_reason"], "max-tokens");
    // One of the pieces as a stop string now ends the answer.
    let mut words = three.iter().rev().map(|piece| piece.trim());
    let stop = words.find(|piece| !piece.is_empty()).unwrap().to_owned();
    let config = serde_json::json!({"n-predict": 24, "reverse-prompt": stop}).to_string();
    assert_eq!(driver.set_input(0, 1, config.as_bytes()).await, OK);
    assert_eq!(driver.set_input(0, 0, QUESTION.as_bytes()).await, OK);
    let (pieces, errno) = pieces(&mut driver, 0).await;
    assert_eq!(errno, END);
    assert!(!pieces.concat().contains(&stop), "{pieces:?}");
    assert_eq!(driver.metadata(0).await["finish_reason"], "stop-string");
}

#[tokio::test]
async fn a_full_context_ends_a_stream_with_101() {
    let mut driver = with(unbounded(64)).await;
    assert_eq!(
        driver
            .load_with_config("default", r#"{"ignore-eos": true}"#)
            .await,
        Ok(0)
    );
    assert_eq!(driver.init(0).await, Ok(0));
    assert_eq!(driver.set_input(0, 0, PROMPT.as_bytes()).await, OK);
    let (pieces, errno) = pieces(&mut driver, 0).await;
    assert_eq!(errno, FULL);
    assert_eq!(driver.text(0).await, pieces.concat());
}

#[tokio::test]
async fn a_new_prompt_or_compute_ends_a_stream() {
    let mut driver = loaded().await;
    let whole = driver.answer(0, PROMPT).await.unwrap();
    assert_eq!(driver.call("compute_single", &[0]).await, OK);
    assert_eq!(driver.call("compute", &[0]).await, OK);
    assert_eq!(driver.text(0).await, whole);
    assert_eq!(driver.call("compute_single", &[0]).await, OK);
    assert_eq!(driver.set_input(0, 0, PROMPT.as_bytes()).await, OK);
    assert_eq!(driver.text(0).await, "");
    let (pieces, _) = pieces(&mut driver, 0).await;
    assert_eq!(pieces.concat(), whole);
}

#[tokio::test]
async fn two_contexts_on_one_graph_say_what_each_says_alone() {
    let config = ModelConfig {
        ctx_size: Some(512),
        max_concurrent: 2,
        kv_layout: mynah_settings::KvLayout::Split,
        ..ModelConfig::default()
    };
    let model = mynah_engine::load(&mynah_tests::model_path(), config, |_| {}).unwrap();
    let mut driver = with(model).await;
    let config = r#"{"temp": 0, "n-predict": 24, "deterministic": true}"#;
    assert_eq!(driver.load_with_config("default", config).await, Ok(0));
    let prompts = [QUESTION, "The capital of France is"];
    let mut alone = Vec::new();
    for (context, prompt) in (0..).zip(prompts) {
        assert_eq!(driver.init(0).await, Ok(context));
        alone.push(driver.answer(context, prompt).await.unwrap());
    }
    assert_ne!(alone[0], alone[1]);
    // Piece by piece in turns. One context changes its own settings halfway.
    for (context, prompt) in (0..).zip(prompts) {
        assert_eq!(driver.set_input(context, 0, prompt.as_bytes()).await, OK);
    }
    let mut texts = [String::new(), String::new()];
    let mut running = [true, true];
    let mut turns = 0;
    while running.contains(&true) {
        for context in [0, 1_u32] {
            let at = context as usize;
            if !running[at] {
                continue;
            }
            match driver.call("compute_single", &[context]).await {
                OK => {
                    let piece = driver
                        .output("get_output_single", context, 0)
                        .await
                        .unwrap();
                    texts[at].push_str(&String::from_utf8(piece).unwrap());
                }
                errno => {
                    assert_eq!(errno, END);
                    running[at] = false;
                }
            }
        }
        turns += 1;
    }
    assert!(turns > 5);
    assert_eq!(texts.as_slice(), alone.as_slice());
    // Settings of one context do not affect the other.
    assert_eq!(driver.set_input(0, 1, br#"{"n-predict": 2}"#).await, OK);
    assert_eq!(driver.answer(1, prompts[1]).await, Ok(alone[1].clone()));
    driver.answer(0, prompts[0]).await.unwrap();
    assert_eq!(driver.metadata(0).await["output_tokens"], 2);
}

#[tokio::test]
async fn wasmedge_ggml_backend_with_rpc_as_plain() {
    let mut driver = driver().await;
    assert_eq!(driver.load_by_name("default").await, Ok(0));
    assert_eq!(driver.load_with_config("default", "{}").await, Ok(0));
    assert_eq!(driver.init(0).await, Ok(0));
    assert_eq!(driver.set_input(0, 0, PROMPT.as_bytes()).await, OK);
    assert_eq!(driver.call("compute", &[0]).await, OK);
    assert!(!driver.text(0).await.is_empty());
    // The limits are the same for every function.
    assert_eq!(
        driver
            .call("get_output", &[0, 0, BUFFER, u32::MAX, PLACE])
            .await,
        INVALID
    );
    assert_eq!(driver.call("set_input", &[0, 0, u32::MAX]).await, INVALID);
    // WasmEdge refuses these two functions, and this host supports them.
    assert_eq!(driver.call("unload", &[0]).await, OK);
    assert_eq!(driver.call("finalize_execution_context", &[0]).await, OK);
}

#[tokio::test]
async fn wasmedge_compute_single_with_rpc_as_plain() {
    let mut driver = loaded().await;
    assert_eq!(driver.set_input(0, 0, PROMPT.as_bytes()).await, OK);
    let (pieces, errno) = pieces(&mut driver, 0).await;
    assert_eq!(errno, END);
    assert!(!pieces.is_empty() && pieces.iter().all(|piece| !piece.is_empty()));
    for (buffer, length, place) in [
        (u32::MAX, 4, PLACE),
        (BUFFER, u32::MAX, PLACE),
        (BUFFER, 4, u32::MAX),
    ] {
        let arguments = [0, 0, buffer, length, place];
        assert_eq!(driver.call("get_output_single", &arguments).await, INVALID);
    }
    assert_eq!(driver.call("fini_single", &[0]).await, OK);
    assert_eq!(driver.call("fini_single", &[0]).await, OK, "and again");
}
