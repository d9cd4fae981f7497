//! The models of the tests: real ones for tests of the text, tiny ones for mechanics.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use mynah_core::{Error, Model};
use mynah_engine::{EngineError, GgufFile, GgufLoader};
use mynah_settings::{ModelConfig, Settings, Stopping};
use mynah_wasi::GuestModels;

use crate::tiny_model::TinyModel;

/// The real model's file. `cargo xtask` sets it in `MYNAH_TEST_MODEL`.
///
/// # Panics
///
/// The file is missing: a test without its model must not pass.
#[must_use]
pub fn model_path() -> PathBuf {
    found("MYNAH_TEST_MODEL", "SmolLM2-135M-Instruct.Q4_1.gguf")
}

/// The file of Gemma 3 270M. `cargo xtask test` sets it in `MYNAH_TEST_GEMMA`. It has another
/// architecture, a sliding window and 262,144 tokens. It is not tuned to follow instructions and
/// has no chat template.
///
/// # Panics
///
/// The file is missing.
#[must_use]
pub fn gemma_path() -> PathBuf {
    found("MYNAH_TEST_GEMMA", "gemma-3-270m-q4_k_m.gguf")
}

#[expect(clippy::panic, reason = "test code, outside a #[test]")]
fn found(variable: &str, name: &str) -> PathBuf {
    let path = std::env::var_os(variable).map_or_else(|| cache().join(name), PathBuf::from);
    if !path.is_file() {
        panic!(
            "{} is missing: `cargo xtask test --only setup` fetches it, or set {variable}",
            path.display()
        );
    }
    path
}

/// The folder in which `cargo xtask` keeps models.
fn cache() -> PathBuf {
    let var = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = var("MYNAH_CACHE")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(var("XDG_CACHE_HOME")?).join("mynah")))
        .or_else(|| Some(PathBuf::from(var("HOME")?).join(".cache/mynah")))
        .unwrap_or_default();
    cache.join("models")
}

/// The real model with greedy sampling, loaded once per test process. It runs one generation at a
/// time: the composition of a batch changes the last bits of the result, so texts are only
/// comparable if nothing else is in the batch.
///
/// # Panics
///
/// The model cannot be loaded.
#[must_use]
pub fn solo() -> Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(|| alone(&model_path())).clone()
}

/// Gemma, loaded in the same way.
///
/// # Panics
///
/// The model cannot be loaded.
#[must_use]
pub fn gemma() -> Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(|| alone(&gemma_path())).clone()
}

/// Loads a model that runs one generation at a time.
#[expect(clippy::expect_used, reason = "test code, outside a #[test]")]
fn alone(path: &Path) -> Model {
    let config = ModelConfig {
        ctx_size: Some(1024),
        max_concurrent: 1,
        // Tests wait for each other here.
        default_task_timeout: std::time::Duration::from_secs(600),
        defaults: greedy(24),
        ..ModelConfig::default()
    };
    mynah_engine::load(path, config, |_| {}).expect("the model loads")
}

/// Settings for greedy sampling with at most this number of tokens.
#[must_use]
pub fn greedy(max_tokens: u32) -> Settings {
    Settings {
        stopping: Stopping {
            max_tokens: Some(max_tokens),
            ..Stopping::default()
        },
        ..Settings::greedy()
    }
}

/// A tiny random model with greedy sampling and default settings, for tests that do not depend on
/// the text.
#[must_use]
pub fn tiny() -> Model {
    tiny_with(ModelConfig {
        defaults: greedy(16),
        ..ModelConfig::default()
    })
}

/// A tiny random model.
///
/// # Panics
///
/// It cannot be written or loaded.
#[must_use]
#[expect(clippy::expect_used, reason = "test code, outside a #[test]")]
pub fn tiny_with(config: ModelConfig) -> Model {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("tiny.gguf");
    TinyModel::default()
        .write_to(&path)
        .expect("the tiny model is written");
    // The file is memory-mapped, so it can be deleted after loading.
    mynah_engine::load(&path, config, |_| {}).expect("the tiny model loads")
}

/// A file and how it is served, as a registry loads it.
#[must_use]
pub fn gguf(path: &Path, config: &ModelConfig) -> Arc<GgufFile> {
    Arc::new(GgufFile {
        path: path.to_owned(),
        config: config.clone(),
    })
}

/// Models that guests may bring, served this way, with the default limits.
#[must_use]
pub fn guest_models(config: ModelConfig) -> GuestModels {
    GuestModels::new(Arc::new(GgufLoader {
        config,
        observer: None,
    }))
}

/// The engine's own error behind an error.
#[must_use]
pub fn engine_error(error: &Error) -> Option<&EngineError> {
    match error {
        Error::Backend(error) => error.downcast_ref(),
        _ => None,
    }
}

/// Whether a result is the error of a file that is no whole GGUF.
pub fn is_file_error<T>(result: &Result<T, Error>) -> bool {
    let error = result.as_ref().err().and_then(engine_error);
    matches!(error, Some(EngineError::File(_)))
}
