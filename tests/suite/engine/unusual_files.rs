//! Tokenizers and templates of unusual files.

use std::ops::ControlFlow::Continue;

use mynah_core::{GuestLoader, Message, Model, Prompt, Role};
use mynah_engine::model::GgufLoader;
use mynah_settings::{ModelConfig, Settings};
use mynah_tests::tiny_model::TinyModel;
use mynah_tests::{cargo_component_wasm, greedy};

use crate::support::command::run;
use crate::support::generations::{finish, session, start, text};

fn load(tiny: &TinyModel) -> Result<Model, mynah_core::Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    tiny.write_to(&path).unwrap();
    mynah_engine::load(&path, ModelConfig::default(), |_| {})
}

fn inspected(tiny: &TinyModel) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    tiny.write_to(&path).unwrap();
    run(&["models", "inspect", &path.display().to_string()]).stdout
}

fn said() -> Prompt {
    Prompt::Messages(vec![Message::new(Role::User, "the word")].into())
}

/// Case H2.
#[test]
fn a_model_without_a_tokenizer_is_refused_by_name() {
    for template in [None, Some("{{ messages[0].content }}".to_owned())] {
        let tiny = TinyModel {
            tokenizer: "none",
            chat_template: template,
            ..TinyModel::default()
        };
        let refusal = load(&tiny).unwrap_err().to_string();
        assert!(refusal.contains("no tokenizer"), "{refusal}");
        let brought = GgufLoader::default().load(&tiny.bytes(), Box::new(|_| Continue(())));
        let refusal = brought.unwrap_err().to_string();
        assert!(refusal.contains("no tokenizer"), "{refusal}");
    }
}

/// Case W1.
#[tokio::test]
async fn what_is_to_be_continued_is_not_ended() {
    let plain = load(&TinyModel::default()).unwrap();
    let ends = TinyModel {
        adds_end: true,
        ..TinyModel::default()
    };
    let ends = load(&ends).unwrap();
    for prompt in [text("the word of"), said()] {
        assert_eq!(
            plain.tokens(prompt.clone()).await.unwrap(),
            ends.tokens(prompt.clone()).await.unwrap()
        );
        let mut answers = Vec::new();
        for model in [&plain, &ends] {
            let mut running = start(model, prompt.clone(), greedy(8)).await.unwrap();
            let (answer, outcome) = finish(&mut running).await;
            answers.push((answer, outcome.usage.prompt_tokens));
        }
        assert_eq!(answers[0], answers[1]);
    }
    // A vector is of the text with its end.
    let mut counts = Vec::new();
    for model in [&plain, &ends] {
        let mut session = session(model);
        let texts = [text("the word")];
        let vectors = session.embed(&texts, Settings::default()).await;
        counts.push(vectors.unwrap().prompt_tokens);
    }
    assert_eq!(counts[0] + 1, counts[1]);
}

/// Case W2.
#[tokio::test]
async fn an_empty_template_is_none() {
    let with = |template: &str| TinyModel {
        chat_template: Some(template.to_owned()),
        ..TinyModel::default()
    };
    let none = load(&TinyModel::default()).unwrap();
    for empty in ["", " \n\t"] {
        let model = load(&with(empty)).unwrap();
        let expected = none.tokens(said()).await.unwrap();
        assert_eq!(model.tokens(said()).await.unwrap(), expected);
        assert!(inspected(&with(empty)).contains("empty: a built-in one"));
    }
}

/// Case M1.
#[test]
fn a_missing_pre_tokenizer_is_named() {
    let mut tiny = TinyModel {
        tokenizer: "gpt2",
        ..TinyModel::default()
    };
    let inspected_without = inspected(&tiny);
    assert!(
        inspected_without.contains("without a pre-tokenizer"),
        "{inspected_without}"
    );
    load(&tiny).unwrap();
    tiny.pre_tokenizer = Some("llama-bpe");
    assert!(inspected(&tiny).contains("gpt2, llama-bpe"));
}

/// What the command says by default when it runs a model.
fn warnings(tiny: &TinyModel, settings: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    tiny.write_to(&path).unwrap();
    let model = format!("default={}", path.display());
    let guest = cargo_component_wasm("complete").display().to_string();
    let mut args = vec!["run", "--no-config", "--control", "off", "--threads", "1"];
    args.extend(["--max-tokens", "2", "--model", &model]);
    args.extend(settings);
    args.extend([guest.as_str(), "the word"]);
    let said = run(&args);
    assert_eq!(said.code, Some(0), "{said:?}");
    said.stderr
}

/// Case M1.
#[test]
fn a_missing_pre_tokenizer_is_warned_of_by_default() {
    let mut tiny = TinyModel {
        tokenizer: "gpt2",
        ..TinyModel::default()
    };
    let key = "tokenizer.ggml.pre";
    let said = warnings(&tiny, &[]);
    assert!(said.contains("WARN") && said.contains(key), "{said}");
    tiny.pre_tokenizer = Some("llama-bpe");
    let said = warnings(&tiny, &[]);
    assert!(!said.contains(key), "{said}");
}

/// Case M3.
#[test]
fn a_context_beyond_what_the_model_was_trained_on_is_warned_of_by_default() {
    let tiny = TinyModel {
        context_length: 128,
        ..TinyModel::default()
    };
    let with = |size| warnings(&tiny, &["--max-concurrent", "1", "--ctx-size", size]);
    let said = with("256");
    assert!(
        said.contains("WARN") && said.contains("trained on"),
        "{said}"
    );
    let said = with("128");
    assert!(!said.contains("trained on"), "{said}");
}
