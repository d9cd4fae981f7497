//! Settings documents of wasi_nn_backend (apuslabs): this host keeps that project's promises.
//!
//! That project's tests have 26 cases. Each is here with assertions, and each test names its case.
//!
//! An operator's document corresponds to initialising a backend and loading a model there, a
//! guest's document to the settings of one run. Both are parsed as usual.

mod answers;
mod errors;
mod in_force;
mod logging;
mod queue;
mod replacing;
mod sessions;
mod stopping;

use std::path::Path;

use mynah_core::{Error, Model, Outcome, Owner, Session};
use mynah_settings::{ModelConfig, Reading, Settings};
use mynah_tests::model_path;
use mynah_tests::tiny_model::TinyModel;

use crate::support::generations::{finish, start, text};

/// The contents of an operator's document.
struct Read {
    config: ModelConfig,
    warnings: Vec<String>,
}

/// Parses an operator's document.
fn read(document: &str) -> Result<Read, Error> {
    let read = Reading::json(document.as_bytes()).for_operator(false)?;
    Ok(Read {
        config: read.operator.config(),
        warnings: read.warnings.iter().map(ToString::to_string).collect(),
    })
}

/// A tiny model, served with a document's settings.
fn tiny(document: &str) -> Model {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    TinyModel::default().write_to(&path).unwrap();
    load(&path, document)
}

/// The real model, served with a document's settings.
fn real(document: &str) -> Model {
    load(&model_path(), document)
}

fn load(path: &Path, document: &str) -> Model {
    mynah_engine::load(path, read(document).unwrap().config, |_| {}).unwrap()
}

fn context(model: &Model) -> Session {
    model.session(Owner::unique()).unwrap()
}

/// Parses a guest's document.
fn settings(document: &str) -> Result<Settings, Error> {
    let (settings, _) = Reading::json(document.as_bytes()).for_guest(false)?;
    Ok(settings)
}

/// One run with its own settings.
async fn run(
    context: &mut Session,
    prompt: &str,
    document: &str,
) -> Result<(String, Outcome), Error> {
    let mut generation = context.start(text(prompt), settings(document)?).await?;
    Ok(finish(&mut generation).await)
}

/// A generation that never ends and is read, so that it keeps running until this is dropped.
struct Endless(tokio::task::JoinHandle<()>);

impl Endless {
    async fn start(model: &Model) -> Self {
        let endless =
            r#"{"temp": 0, "max_tokens": -1, "ignore_eos": true, "context_shifting": true}"#;
        let mut generation = start(model, text("a"), settings(endless).unwrap())
            .await
            .unwrap();
        Self(tokio::spawn(async move {
            while let Ok(events) = generation.next().await {
                assert!(!events.is_empty(), "it has ended");
            }
        }))
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.0.abort();
    }
}
