//! The life of a model: loaded once for several users, cancelled loading, unloaded while idle,
//! loaded again, and replaced while in use.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mynah_core::{Error, FinishReason, Model, Registry};
use mynah_engine::LocalModel;
use mynah_settings::{ModelConfig, Settings};
use mynah_tests::tiny_model::TinyModel;
use mynah_tests::{Guest, greedy, model_path};
use mynah_tests::{gguf, is_file_error};
use tempfile::TempDir;

use crate::support::generations::{finish, session, start, text, until};

/// Longer than any test runs.
const FOR_LONG: Duration = Duration::from_secs(3600);

fn tiny_file(folder: &TempDir, seed: u64) -> PathBuf {
    let path = folder.path().join(format!("{seed}.gguf"));
    let model = TinyModel {
        seed,
        ..TinyModel::default()
    };
    model.write_to(&path).unwrap();
    path
}

fn config() -> ModelConfig {
    ModelConfig {
        ctx_size: Some(256),
        defaults: greedy(16),
        ..ModelConfig::default()
    }
}

fn kept(keep_alive: Duration) -> ModelConfig {
    ModelConfig {
        keep_alive: Some(keep_alive),
        ..config()
    }
}

fn load(path: &Path, config: ModelConfig) -> Model {
    mynah_engine::load(path, config, |_| {}).unwrap()
}

/// The answer of a model that is loaded only for this call.
async fn said(path: &Path) -> String {
    let model = load(path, config());
    let mut generation = start(&model, text("alone"), Settings::default())
        .await
        .unwrap();
    finish(&mut generation).await.0
}

/// Waits until a model is unloaded.
async fn unloaded(model: &Model) {
    while model.is_loaded() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn loads_of_one_name_at_the_same_time_share_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = tiny_file(&folder, 1);
    let registry = Registry::new();
    let begun = Arc::new(AtomicU32::new(0));
    let models: Vec<Model> = std::thread::scope(|scope| {
        let threads: Vec<_> = ["a", "a", "b", "a"]
            .into_iter()
            .map(|name| {
                let (registry, path, begun) = (registry.clone(), &path, Arc::clone(&begun));
                scope.spawn(move || {
                    let mut is_first = true;
                    let progress = move |_| {
                        if std::mem::take(&mut is_first) {
                            begun.fetch_add(1, Ordering::Relaxed);
                            // Long enough for the other threads to start loading.
                            std::thread::sleep(Duration::from_millis(50));
                        }
                    };
                    registry
                        .load(name, gguf(path, &config()), progress)
                        .unwrap()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(begun.load(Ordering::Relaxed), 1);
    assert!(models.iter().all(|model| model.is_same(&models[0])));
    let names: Vec<String> = registry
        .models()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert!(registry.remove("b").is_some());
    assert!(matches!(registry.get("b"), Err(Error::UnknownModel { .. })));
}

#[test]
fn a_load_that_is_cancelled_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = tiny_file(&folder, 1);
    let registry = Registry::new();
    let cancelled = registry.load("a", gguf(&path, &config()), |_| ControlFlow::Break(()));
    assert!(
        matches!(&cancelled, Err(Error::LoadCancelled { path: told }) if *told == path),
        "{cancelled:?}"
    );
    assert!(matches!(registry.get("a"), Err(Error::UnknownModel { .. })));
    let goes_on = |_| ControlFlow::Continue(());
    registry.load("a", gguf(&path, &config()), goes_on).unwrap();
}

#[test]
fn a_load_can_be_cancelled_in_the_middle() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let cancelled = mynah_engine::load(&model_path(), config(), move |share| {
        heard.lock().unwrap().push(share);
        if share < 0.3 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    assert!(
        matches!(cancelled, Err(Error::LoadCancelled { .. })),
        "{cancelled:?}"
    );
    let told = told.lock().unwrap();
    let last = *told.last().unwrap();
    assert!(told.len() > 1 && (0.3..0.9).contains(&last), "{told:?}");
}

#[tokio::test]
async fn a_model_that_nobody_uses_is_unloaded_and_loaded_again_for_the_next_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = tiny_file(&folder, 1);
    let expected = said(&path).await;
    for keep_alive in [Duration::ZERO, Duration::from_millis(100)] {
        let model = load(&path, kept(keep_alive));
        let mut session = session(&model);
        for _ in 0..3 {
            session.ready().await.unwrap();
            let mut generation = session
                .start(text("alone"), Settings::default())
                .await
                .unwrap();
            let (answer, _) = finish(&mut generation).await;
            assert_eq!(answer, expected);
            // Once the end has been read, the handle no longer keeps the model loaded.
            unloaded(&model).await;
            let status = model.status();
            assert_eq!((status.requests.completed, status.cells_total), (1, 0));
            assert_eq!(model.info().path, path);
            assert!(!session.effective().is_empty());
        }
    }
}

#[tokio::test]
async fn a_model_stays_while_a_generation_of_it_lives() {
    let folder = tempfile::tempdir().unwrap();
    let model = load(&tiny_file(&folder, 1), kept(FOR_LONG));
    let generation = start(&model, text("a"), Settings::default()).await.unwrap();
    assert!(!model.unload());
    drop(generation);
    assert!(model.unload() && !model.is_loaded());
    // It is unloaded already.
    assert!(model.unload());
}

#[tokio::test]
async fn a_model_whose_file_has_gone_says_so_and_comes_back_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = tiny_file(&folder, 1);
    let model = load(&path, kept(FOR_LONG));
    let mut session = session(&model);
    assert!(model.unload());
    let elsewhere = folder.path().join("elsewhere");
    std::fs::rename(&path, &elsewhere).unwrap();
    assert!(is_file_error(&session.ready().await));
    let refused = session
        .start(text("a"), Settings::default())
        .await
        .map(drop);
    assert!(is_file_error(&refused), "{refused:?}");
    std::fs::rename(&elsewhere, &path).unwrap();
    session.start(text("a"), Settings::default()).await.unwrap();
}

#[test]
fn a_model_that_is_only_kept_goes_when_memory_is_short() {
    let folder = tempfile::tempdir().unwrap();
    let config = ModelConfig {
        max_process_bytes: Some(1 << 20),
        check_memory: false,
        ..kept(FOR_LONG)
    };
    let model = load(&tiny_file(&folder, 1), config);
    while model.is_loaded() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn a_replaced_model_ends_what_runs_and_the_rest_goes_to_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (tiny_file(&folder, 1), tiny_file(&folder, 2));
    let said_new = said(&new).await;
    assert_ne!(said(&old).await, said_new);
    // The answer pauses until it is read.
    let slow = ModelConfig {
        max_unread_bytes: 1024,
        ..config()
    };
    let local = LocalModel::load(&old, slow, |_| {}).unwrap();
    let model = local.clone().into_model();
    let mut session = session(&model);
    // With all probabilities of each token, two tokens exceed the limit of unread bytes.
    let mut long = greedy(200);
    long.sampling.n_probs = Some(20);
    let expected = finish(&mut start(&model, text("alone"), long.clone()).await.unwrap()).await;
    let mut running = session.start(text("alone"), long).await.unwrap();
    until(&model, |status| status.running == 1).await;

    let damaged = folder.path().join("damaged.gguf");
    std::fs::write(&damaged, "GGUF").unwrap();
    let failed = local.replace(&damaged, config(), |_| {});
    assert!(is_file_error(&failed), "{failed:?}");
    assert_eq!(model.info().path, old);

    assert_eq!(model.status().running, 1);
    local.replace(&new, config(), |_| {}).unwrap();
    assert_eq!(model.info().path, new);
    let (answer, outcome) = finish(&mut running).await;
    assert_eq!(
        (answer, outcome.reason, outcome.usage.generated_tokens),
        (expected.0, FinishReason::MaxTokens, 200)
    );
    // The same session continues with the new model.
    let mut next = session
        .start(text("alone"), Settings::default())
        .await
        .unwrap();
    let (answer, outcome) = finish(&mut next).await;
    assert_eq!((answer, outcome.usage.cached_tokens), (said_new, 0));
    let status = model.status();
    assert_eq!((status.sessions, status.requests.completed), (1, 1));
    drop(session);
    assert_eq!(model.status().sessions, 0);
}

/// Guests do not notice that the model is unloaded and loaded again.
#[tokio::test]
async fn guests_use_a_model_that_comes_and_goes() {
    let folder = tempfile::tempdir().unwrap();
    let model = load(&tiny_file(&folder, 1), kept(Duration::ZERO));
    let mut answers = Vec::new();
    for _ in 0..3 {
        unloaded(&model).await;
        let guest = Guest::new("nn_complete").args(&["alone"]);
        answers.push(guest.model(model.clone()).stdout().await);
    }
    assert!(!answers[0].is_empty());
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
}
