//! Vectors on the real models: equal to llama.cpp's own pooling, computed beside generations, and
//! cancelled with their future.

use std::future::poll_fn;
use std::path::Path;
use std::task::Poll;

use llama_cpp_2::context::params::LlamaPoolingType;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use mynah_core::{Error, Prompt};
use mynah_settings::{ModelConfig, Output, Settings};
use mynah_tests::{gemma_path, greedy, model_path, solo, tiny};

use crate::support::generations::{finish, session, start, text};
use crate::support::vectors::{bare, cosine, prompts};

/// Texts longer and shorter than a batch.
fn texts() -> Vec<String> {
    let long: Vec<String> = (0..40).map(|n| format!("parrot {n} eats fruit")).collect();
    vec![
        long.join(", "),
        "A parrot.".to_owned(),
        "Rates rose.".to_owned(),
    ]
}

async fn are_those_of_llama_cpp(path: &Path) {
    let config = ModelConfig {
        ctx_size: Some(1024),
        ..ModelConfig::default()
    };
    let model = mynah_engine::load(path, config, |_| {}).unwrap();
    let mut session = session(&model);
    let found = session
        .embed(&prompts(&texts()), Settings::default())
        .await
        .unwrap();
    let backend = mynah_engine::llama_backend().unwrap();
    let llama = LlamaModel::load_from_file(backend, path, &LlamaModelParams::default()).unwrap();
    for (text, vector) in texts().iter().zip(&found.vectors) {
        let expected = bare(&llama, LlamaPoolingType::Mean, text);
        assert_eq!(vector.len(), expected.len());
        let alike = cosine(vector, &expected);
        assert!((alike - 1.0).abs() < 1e-3, "{alike} of {text:?}");
    }
}

#[tokio::test]
async fn they_are_those_of_llama_cpps_own_pooling() {
    are_those_of_llama_cpp(&model_path()).await;
    are_those_of_llama_cpp(&gemma_path()).await;
}

#[tokio::test]
async fn they_are_made_beside_generations() {
    let model = solo();
    let deterministic = |mut settings: Settings| {
        settings.scheduling.deterministic = Some(true);
        settings
    };
    let prompt = || text("The capital of France is");
    let mut alone = start(&model, prompt(), deterministic(greedy(24)))
        .await
        .unwrap();
    let (expected, _) = finish(&mut alone).await;
    let mut session = session(&model);
    let vectors = session
        .embed(&prompts(&texts()), deterministic(Settings::default()))
        .await
        .unwrap();
    let mut beside = start(&model, prompt(), deterministic(greedy(24)))
        .await
        .unwrap();
    let texts = prompts(&texts());
    let again = session.embed(&texts, deterministic(Settings::default()));
    let (again, (answer, _)) = tokio::join!(again, finish(&mut beside));
    assert_eq!(again.unwrap(), vectors);
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn a_session_that_is_set_to_give_vectors_refuses_to_give_text() {
    let model = tiny();
    let mut session = session(&model);
    let vectors = Settings {
        output: Output {
            embedding: Some(true),
            ..Output::default()
        },
        ..Settings::default()
    };
    session.configure(vectors).unwrap();
    assert!(session.wants_vectors(&Settings::default()));
    let refused = session
        .start(text("a"), Settings::default())
        .await
        .map(drop);
    assert!(matches!(refused, Err(Error::VectorsAsked)), "{refused:?}");
    let free = Settings {
        output: Output::free(),
        ..greedy(2)
    };
    assert!(!session.wants_vectors(&free));
    let mut generation = session.start(text("a"), free).await.unwrap();
    finish(&mut generation).await;
}

#[tokio::test]
async fn a_future_that_is_dropped_gives_its_request_up() {
    let model = tiny();
    let mut session = session(&model);
    let many: Vec<Prompt> = (0..256).map(|_| text(&"a b c ".repeat(60))).collect();
    {
        let embed = session.embed(&many, Settings::default());
        let mut embed = std::pin::pin!(embed);
        // Starts the request without waiting for it.
        let is_pending = poll_fn(|context| Poll::Ready(embed.as_mut().poll(context).is_pending()));
        assert!(is_pending.await);
    }
    while model.status().requests.cancelled < 1 {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let status = model.status();
    assert_eq!((status.queued, status.requests.accepted), (0, 1));
}
