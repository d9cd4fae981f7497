//! Core modules: `wasi_ephemeral_nn`, called with arbitrary arguments, and by guests written for
//! other hosts.

mod abi;
mod documents;
mod guests;
mod hostile;
mod lifetime;
mod others;
mod output;
mod streaming;

use mynah_core::Model;
use mynah_settings::ModelConfig;
use mynah_tests::core_driver::Driver;
use mynah_tests::guest_models;
use mynah_tests::tiny_model::TinyModel;
use mynah_tests::{greedy, tiny, tiny_with};
use mynah_wasi::{Errno, GuestModels, LlmCtx, LlmCtxBuilder};

/// The prompt of most tests.
const PROMPT: &str = "Once upon a time, ";

pub(super) const OK: u32 = 0;
pub(super) const INVALID: u32 = Errno::InvalidArgument as u32;
pub(super) const BAD_ENCODING: u32 = Errno::InvalidEncoding as u32;
pub(super) const BUSY: u32 = Errno::Busy as u32;
pub(super) const UNSUPPORTED: u32 = Errno::UnsupportedOperation as u32;
pub(super) const TOO_LARGE: u32 = Errno::TooLarge as u32;
pub(super) const NOT_FOUND: u32 = Errno::NotFound as u32;
pub(super) const END: u32 = Errno::EndOfSequence as u32;
pub(super) const FULL: u32 = Errno::ContextFull as u32;
pub(super) const PROMPT_TOO_LONG: u32 = Errno::PromptTooLong as u32;

/// The grant of a model as `default`.
fn granted(model: Model) -> LlmCtxBuilder {
    LlmCtx::builder().model("default", model)
}

/// A module that is granted a tiny model and may load its own.
async fn driver() -> Driver {
    with(tiny()).await
}

/// The same with another model.
async fn with(model: Model) -> Driver {
    let own = guest_models(ModelConfig {
        ctx_size: Some(256),
        max_concurrent: 1,
        defaults: greedy(8),
        ..ModelConfig::default()
    });
    Driver::new(granted(model).guest_models(own)).await
}

/// A module with graph 0 and context 0.
async fn loaded() -> Driver {
    let mut driver = driver().await;
    assert_eq!(driver.load_by_name("default").await, Ok(0));
    assert_eq!(driver.init(0).await, Ok(0));
    driver
}

/// The same after the context has answered.
async fn computed() -> Driver {
    let mut driver = loaded().await;
    let text = driver.answer(0, PROMPT).await.unwrap();
    assert!(!text.is_empty());
    driver
}

/// The bytes of a tiny model.
fn model_bytes() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    TinyModel::default().write_to(&path).unwrap();
    std::fs::read(path).unwrap()
}

/// A tiny model with this context size and no limit for answers.
fn unbounded(ctx_size: u32) -> Model {
    tiny_with(ModelConfig {
        ctx_size: Some(ctx_size),
        max_concurrent: 2,
        defaults: mynah_settings::Settings::greedy(),
        ..ModelConfig::default()
    })
}
