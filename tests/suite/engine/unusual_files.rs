//! Tokenizers and templates of unusual files.

use std::ops::ControlFlow::Continue;

use mynah_core::{GuestLoader, Message, Model, Prompt, Role};
use mynah_engine::model::GgufLoader;
use mynah_settings::{ModelConfig, Settings};
use mynah_tests::greedy;
use mynah_tests::tiny_model::TinyModel;

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
