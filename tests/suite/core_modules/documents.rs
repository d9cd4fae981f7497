//! Settings as JSON: which are in force, refused or reported, and which context they belong to.

use mynah_core::Report;
use mynah_tests::core_driver::Driver;
use mynah_tests::solo;
use serde_json::{Value, json};

use super::*;

/// Loads with these settings and returns the result's number.
async fn load(driver: &mut Driver, config: &str) -> u32 {
    match driver.load_with_config("default", config).await {
        Ok(_) => OK,
        Err(errno) => errno,
    }
}

/// Each of these documents is refused through every function, without any other effect.
#[tokio::test]
async fn junk_is_refused_with_the_number_of_its_kind() {
    let deep = format!(
        "{{\"temp\": {}1{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let large = format!("{{\"x\": \"{}\"}}", "x".repeat(300_000));
    let mut driver = loaded().await;
    for (junk, errno) in [
        ("", BAD_ENCODING),
        ("not json", BAD_ENCODING),
        ("{", BAD_ENCODING),
        ("{\"temp\": 0.5", BAD_ENCODING),
        ("{'temp': 0.5}", BAD_ENCODING),
        ("{\"temp\": NaN}", BAD_ENCODING),
        ("{}{}", BAD_ENCODING),
        ("[]", INVALID),
        ("42", INVALID),
        ("null", INVALID),
        ("\"temp\"", INVALID),
        ("{\"temp\": \"hot\"}", INVALID),
        ("{\"temp\": -1}", INVALID),
        ("{\"temp\": 1e999}", INVALID),
        ("{\"top-p\": 1.5}", INVALID),
        ("{\"top-k\": 1.5}", INVALID),
        ("{\"n-predict\": 0}", INVALID),
        ("{\"n-predict\": -3}", INVALID),
        ("{\"seed\": \"x\"}", INVALID),
        ("{\"stream-stdout\": \"yes\"}", INVALID),
        ("{\"embedding\": 1}", INVALID),
        ("{\"grammar\": 5}", INVALID),
        ("{\"reverse-prompt\": 5}", INVALID),
        ("{\"temp\": 0.5, \"temp\": 0.6}", INVALID),
        (&deep, INVALID),
        (&large, TOO_LARGE),
    ] {
        let shown: String = junk.chars().take(40).collect();
        assert_eq!(load(&mut driver, junk).await, errno, "{shown}");
        assert_eq!(
            driver.set_input(0, 1, junk.as_bytes()).await,
            errno,
            "{shown}"
        );
    }
    // Not valid UTF-8.
    assert_eq!(
        driver.set_input(0, 1, b"{\"a\": \"\xff\"}").await,
        BAD_ENCODING
    );
    assert_eq!(driver.set_input(0, 1, b"{}").await, OK);
    assert!(driver.answer(0, PROMPT).await.is_ok());
}

#[tokio::test]
async fn malformed_forms_and_values_of_the_operators_are_an_error_or_do_no_harm() {
    let mut driver = loaded().await;
    // Output forms are only parsed when an answer needs them.
    for form in [
        json!({"json-schema": "{"}),
        json!({"json-schema": "{\"type\": 5}"}),
        json!({"json-schema": "[]"}),
        json!({"grammar": "root ::= ("}),
        json!({"grammar": "root ::= missing"}),
        json!({"grammar": "no grammar at all"}),
    ] {
        assert_eq!(
            driver.set_input(0, 1, form.to_string().as_bytes()).await,
            OK,
            "{form}"
        );
        assert_eq!(driver.answer(0, PROMPT).await, Err(INVALID), "{form}");
        assert_eq!(driver.call("compute_single", &[0]).await, INVALID, "{form}");
        let none = json!({"grammar": "", "json-schema": null});
        assert_eq!(
            driver.set_input(0, 1, none.to_string().as_bytes()).await,
            OK
        );
        assert!(driver.answer(0, PROMPT).await.is_ok(), "{form}");
    }
    for (settings, errno) in [
        (json!({"batch-size": 0}), INVALID),
        (json!({"batch-size": -1}), INVALID),
        (json!({"batch-size": "all"}), INVALID),
        (json!({"n-gpu-layers": {}}), INVALID),
        (json!({"n-gpu-layers": 0}), OK),
        (json!({"n-gpu-layers": 999_999}), OK),
        (json!({"n-gpu-layers": -1}), OK),
        (json!({"n-gpu-layers": -2}), OK),
        (json!({"n-gpu-layers": i64::MIN}), OK),
        (json!({"tensor-split": "x".repeat(10_000)}), OK),
        (json!({"tensor-split": "1,".repeat(1000)}), OK),
        (json!({"tensor-split": 7}), OK),
        (
            json!({"batch-size": 1_000_000, "ubatch-size": 0, "ctx-size": 0, "threads": -1}),
            OK,
        ),
    ] {
        let text = settings.to_string();
        assert_eq!(
            driver.set_input(0, 1, text.as_bytes()).await,
            errno,
            "{text}"
        );
        assert_eq!(driver.set_input(0, 1, b"{}").await, OK);
        assert!(driver.answer(0, PROMPT).await.is_ok(), "{text}");
    }
}

#[tokio::test]
async fn keys_that_set_nothing_are_tolerated_and_reported_once_for_each_graph() {
    let model = tiny();
    let mut driver = with(model.clone()).await;
    let config = r#"{"llama3": true, "include_usage": true, "tempp": 0.5, "ctx-size": 4096, "enable-log": true, "n-predict": 2}"#;
    assert_eq!(load(&mut driver, config).await, OK);
    assert_eq!(load(&mut driver, config).await, OK, "the same graph");
    assert_eq!(driver.init(0).await, Ok(0));
    for _ in 0..3 {
        assert_eq!(driver.set_input(0, 1, config.as_bytes()).await, OK);
    }
    driver.answer(0, PROMPT).await.unwrap();
    assert_eq!(
        driver.metadata(0).await["output_tokens"],
        2,
        "what is known is in force"
    );
    let ignored = model.report().model.ignored_keys;
    let of = |key: &str| {
        ignored
            .iter()
            .find(|one| one.key == key)
            .unwrap_or_else(|| panic!("{key}: {ignored:?}"))
    };
    for key in ["llama3", "include_usage", "tempp", "ctx-size", "enable-log"] {
        assert_eq!(of(key).reports, 1, "{ignored:?}");
    }
    assert!(of("tempp").hint.contains("`sampling.temp`"), "{ignored:?}");
    assert!(of("ctx-size").hint.contains("operator"), "{ignored:?}");
    assert_eq!(ignored.len(), 5, "{ignored:?}");
    // Another graph may belong to another guest, so the key is reported again.
    assert_eq!(load(&mut driver, r#"{"llama3": false}"#).await, OK);
    let Report { model, .. } = model.report();
    assert_eq!(model.ignored_keys[0].reports, 2);
    let shown = serde_json::to_value(&model).unwrap();
    assert_eq!(shown["ignored_keys"][0]["key"], "llama3");
}

#[tokio::test]
async fn the_spellings_of_llamaedge_that_others_drop_are_in_force() {
    let mut driver = with(solo()).await;
    let schema = r#"{"type": "object", "properties": {"city": {"type": "string", "maxLength": 12}}, "required": ["city"], "additionalProperties": false}"#;
    let config = json!({
        "json_schema": schema,
        "grammar": "",
        "n_predict": 40,
        "temp": 0,
        "stream-stdout": false,
        "reverse-prompt": null,
    });
    assert_eq!(load(&mut driver, &config.to_string()).await, OK);
    assert_eq!(driver.init(0).await, Ok(0));
    let text = driver.answer(0, "The capital of France is").await.unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert!(answer["city"].is_string(), "{text}");
    assert!(driver.metadata(0).await["output_tokens"].as_u64() <= Some(40));
}

#[tokio::test]
async fn settings_of_a_context_are_neither_its_neighbours_nor_its_graphs() {
    let mut driver = driver().await;
    assert_eq!(load(&mut driver, r#"{"n-predict": 5}"#).await, OK);
    for context in [0, 1] {
        assert_eq!(driver.init(0).await, Ok(context));
    }
    assert_eq!(driver.set_input(0, 1, br#"{"n-predict": 2}"#).await, OK);
    assert_eq!(driver.init(0).await, Ok(2));
    for (context, tokens) in [(0, 2), (1, 5), (2, 5)] {
        driver.answer(context, PROMPT).await.unwrap();
        assert_eq!(
            driver.metadata(context).await["output_tokens"],
            tokens,
            "{context}"
        );
    }
    // Keys that a later document does not contain keep their values.
    assert_eq!(driver.set_input(0, 1, br#"{"seed": 3}"#).await, OK);
    driver.answer(0, PROMPT).await.unwrap();
    let about = driver.metadata(0).await;
    assert_eq!(
        (&about["output_tokens"], &about["seed"]),
        (&json!(2), &json!(3))
    );
}

#[tokio::test]
async fn an_answer_is_bounded_by_its_context_where_nobody_says_anything_else() {
    // The engine's own default is 512.
    let model = unbounded(1024);
    let mut driver = with(model.clone()).await;
    for config in ["{}", r#"{"n-predict": -1}"#, r#"{"n-predict": -2}"#] {
        let graph = driver.load_with_config("default", config).await.unwrap();
        let context = driver.init(graph).await.unwrap();
        assert_eq!(
            driver
                .set_input(context, 1, br#"{"ignore-eos": true}"#)
                .await,
            OK
        );
        assert_eq!(driver.answer(context, PROMPT).await, Err(FULL), "{config}");
        let tokens = driver.metadata(context).await["output_tokens"].as_u64();
        assert!(tokens > Some(900), "{tokens:?}");
    }
    // The operator's setting wins over the default of this ABI.
    let mut driver = loaded().await;
    driver.answer(0, PROMPT).await.unwrap();
    assert_eq!(driver.metadata(0).await["output_tokens"], 16);
}

#[tokio::test]
async fn seeds_make_the_same_text() {
    let mut driver = loaded().await;
    let mut said = Vec::new();
    for seed in [1, 1, 2] {
        let config =
            json!({"seed": seed, "temp": 5, "top-k": 0, "top-p": 1, "min-p": 0}).to_string();
        assert_eq!(driver.set_input(0, 1, config.as_bytes()).await, OK);
        said.push(driver.answer(0, PROMPT).await.unwrap());
    }
    assert_eq!(said[0], said[1]);
    assert_ne!(said[0], said[2]);
}

#[tokio::test]
async fn a_grammar_holds_and_an_empty_one_is_none() {
    let mut driver = loaded().await;
    assert_eq!(
        driver
            .set_input(0, 1, br#"{"grammar": "root ::= \"yes\" | \"no\""}"#)
            .await,
        OK
    );
    let text = driver.answer(0, PROMPT).await.unwrap();
    assert!(["yes", "no"].contains(&text.as_str()), "{text}");
    assert_eq!(driver.set_input(0, 0, PROMPT.as_bytes()).await, OK);
    let mut streamed = String::new();
    while driver.call("compute_single", &[0]).await == OK {
        let piece = driver.output("get_output_single", 0, 0).await.unwrap();
        streamed.push_str(&String::from_utf8(piece).unwrap());
    }
    assert_eq!(streamed, text, "in streaming too");
    assert_eq!(driver.set_input(0, 1, br#"{"grammar": ""}"#).await, OK);
    driver.answer(0, PROMPT).await.unwrap();
    assert_eq!(driver.metadata(0).await["output_tokens"], 16);
}

#[tokio::test]
async fn embeddings_are_the_models_own() {
    let model = tiny();
    let mut session = model.session(mynah_core::Owner::unique()).unwrap();
    let prompt = mynah_core::Prompt::Text(PROMPT.into());
    let found = session
        .embed(&[prompt], mynah_settings::Settings::default())
        .await;
    let expected = found.unwrap().vectors.remove(0);
    let mut driver = with(model).await;
    assert_eq!(load(&mut driver, r#"{"embedding": true}"#).await, OK);
    assert_eq!(driver.init(0).await, Ok(0));
    let text = driver.answer(0, PROMPT).await.unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["n_embedding"], expected.len());
    let found: Vec<f32> = serde_json::from_value(answer["embedding"].clone()).unwrap();
    assert_eq!(found, expected);
    assert!(driver.metadata(0).await["input_tokens"].as_u64() > Some(0));
    assert_eq!(driver.call("compute_single", &[0]).await, UNSUPPORTED);
    // A context can change the setting, and other contexts are unaffected.
    assert_eq!(driver.set_input(0, 1, br#"{"embedding": false}"#).await, OK);
    assert_ne!(driver.answer(0, PROMPT).await, Ok(text));
}
