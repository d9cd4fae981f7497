//! A model's file that changes while the model is in use: requests fail, the host and other models
//! go on, and the next request loads the file anew.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use mynah_core::{Error, Event, Model, Owner};
use mynah_engine::EngineError;
use mynah_settings::{ModelConfig, Settings};
use mynah_tests::tiny_model::TinyModel;
use mynah_tests::{engine_error, greedy};
use tempfile::TempDir;

use crate::support::generations::{Running, finish, start, text};

/// More tokens than are generated before a test ends the generation.
const LONG: u32 = 30_000;

/// Writes a tiny model over a file, in place. The file is never shorter meanwhile.
fn write(path: &Path, seed: u64) {
    let made = path.with_extension("made");
    let model = TinyModel {
        seed,
        ..TinyModel::default()
    };
    model.write_to(&made).unwrap();
    let bytes = fs::read(made).unwrap();
    let mut options = File::options();
    let options = options.write(true).create(true).truncate(false);
    let mut file = options.open(path).unwrap();
    file.write_all(&bytes).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
}

fn tiny(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("m.gguf");
    write(&path, 1);
    path
}

fn cut(path: &Path, bytes: u64) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_len(bytes).unwrap();
}

fn config() -> ModelConfig {
    ModelConfig {
        ctx_size: Some(32_768),
        max_concurrent: 2,
        defaults: greedy(16),
        ..ModelConfig::default()
    }
}

fn load(path: &Path, config: ModelConfig) -> Model {
    mynah_engine::load(path, config, |_| {}).unwrap()
}

async fn answer(model: &Model) -> String {
    model.ready().await.unwrap();
    let mut generation = start(model, text("alone"), Settings::default())
        .await
        .unwrap();
    finish(&mut generation).await.0
}

/// A generation that has begun and doesn't end soon.
async fn long(model: &Model) -> Running {
    let mut settings = Settings::default();
    settings.stopping.max_tokens = Some(LONG);
    settings.stopping.ignore_eos = Some(true);
    let mut running = start(model, text("alone"), settings).await.unwrap();
    running.next().await.unwrap();
    running
}

/// How a generation ends that must fail.
async fn failure(running: &mut Running) -> Error {
    loop {
        match running.next().await {
            Ok(events) => {
                let ended = events
                    .iter()
                    .any(|event| matches!(event, Event::Finished(_)));
                assert!(!ended, "it has ended well");
            }
            Err(error) => return error,
        }
    }
}

fn is_changed(error: &Error) -> bool {
    matches!(engine_error(error), Some(EngineError::FileChanged { .. }))
}

/// Case H3.
#[tokio::test]
async fn a_file_that_is_cut_short_during_an_answer_fails_it_and_serves_again_when_it_is_back() {
    let (folder, other_folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = tiny(&folder);
    let other = load(&tiny(&other_folder), config());
    let model = load(&path, config());
    let before = answer(&model).await;
    for bytes in [0, 1, 5000, fs::metadata(&path).unwrap().len() - 1] {
        let (mut first, mut second) = (long(&model).await, long(&model).await);
        cut(&path, bytes);
        for running in [&mut first, &mut second] {
            let error = failure(running).await;
            assert!(is_changed(&error), "{error}");
            assert!(error.to_string().contains("m.gguf"), "{error}");
        }
        // The file is still short: it is refused as any other such file.
        let error = model.ready().await.unwrap_err();
        assert!(!is_changed(&error), "{error}");
        assert_eq!(answer(&other).await, before, "another model goes on");
        write(&path, 1);
        assert_eq!(answer(&model).await, before);
    }
}

#[tokio::test]
async fn a_file_that_changes_while_nobody_asks_is_loaded_anew() {
    let folder = TempDir::new().unwrap();
    let path = tiny(&folder);
    let model = load(&path, config());
    let before = answer(&model).await;
    cut(&path, 100);
    assert!(model.ready().await.is_err());
    write(&path, 1);
    assert_eq!(answer(&model).await, before);
}

/// Bytes of another model of the same size, which no page fault would show.
#[tokio::test]
async fn a_file_that_is_overwritten_in_place_never_mixes_two_models_in_an_answer() {
    let (folder, states) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = tiny(&folder);
    let config = ModelConfig {
        state_dir: Some(states.path().to_owned()),
        ..config()
    };
    let model = load(&path, config.clone());
    let first = answer(&model).await;
    let mut running = long(&model).await;
    write(&path, 2);
    let error = failure(&mut running).await;
    assert!(is_changed(&error), "{error}");
    drop(running);
    let second = answer(&model).await;
    let fresh = TempDir::new().unwrap();
    let alone = fresh.path().join("m.gguf");
    write(&alone, 2);
    assert_eq!(second, answer(&load(&alone, config)).await);
    assert_ne!(first, second);
}

#[tokio::test]
async fn a_file_that_is_replaced_by_a_rename_or_removed_goes_on_serving() {
    let folder = TempDir::new().unwrap();
    let path = tiny(&folder);
    let model = load(&path, config());
    let before = answer(&model).await;
    let mut running = long(&model).await;
    let new = folder.path().join("new");
    write(&new, 2);
    fs::rename(&new, &path).unwrap();
    assert_eq!(answer(&model).await, before);
    fs::remove_file(&path).unwrap();
    assert_eq!(answer(&model).await, before);
    assert!(running.next().await.is_ok());
}

/// The file changes at some moment of the load: the host either refuses it or serves it whole.
#[tokio::test]
async fn a_file_that_changes_while_it_is_loaded_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = tiny(&folder);
    let owner = Owner::unique();
    for bytes in [0, 4096, 20_000] {
        let shrinks = path.clone();
        let mut is_cut = false;
        let loaded = mynah_engine::load(&path, config(), move |_| {
            if !is_cut {
                cut(&shrinks, bytes);
            }
            is_cut = true;
        });
        let error = loaded
            .map(|model| model.session(owner.clone()))
            .unwrap_err();
        assert!(error.to_string().contains("m.gguf"), "{error}");
        write(&path, 1);
    }
}
