//! Documents of settings as wasi_nn_backend (apuslabs) writes them: what that project promises is
//! kept here.
//!
//! Its own tests have 26 cases. Each is here, with assertions, and each test names its case.
//!
//! An operator's document stands for what initialises a backend and loads a model there, a guest's
//! document for the settings of one run; both are read as they are anywhere else.

mod answers;
mod errors;
mod in_force;
mod logging;
mod queue;
mod replacing;
mod sessions;
mod stopping;

use std::path::Path;

use mynah_engine::{Error, Model, ModelConfig, Outcome, Owner, Reading, Session, Settings};
use mynah_tests::model_path;
use mynah_tests::tiny_model::TinyModel;

use crate::support::generations::{finish, start, text};

/// What an operator's document says.
struct Read {
    config: ModelConfig,
    warnings: Vec<String>,
}

/// Reads an operator's document.
fn read(document: &str) -> Result<Read, Error> {
    let read = Reading::json(document.as_bytes()).for_operator(false)?;
    Ok(Read {
        config: read.operator.config(),
        warnings: read.warnings.iter().map(ToString::to_string).collect(),
    })
}

/// A tiny model, served as a document says.
fn tiny(document: &str) -> Model {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    TinyModel::default().write_to(&path).unwrap();
    load(&path, document)
}

/// The real model, served as a document says.
fn real(document: &str) -> Model {
    load(&model_path(), document)
}

fn load(path: &Path, document: &str) -> Model {
    Model::load(path, read(document).unwrap().config, |_| {}).unwrap()
}

fn context(model: &Model) -> Session {
    model.session(Owner::unique()).unwrap()
}

/// A guest's settings.
fn settings(document: &str) -> Result<Settings, Error> {
    let (settings, _) = Reading::json(document.as_bytes()).for_guest(false)?;
    Ok(settings)
}

/// One run, with settings of its own.
async fn run(
    context: &mut Session,
    prompt: &str,
    document: &str,
) -> Result<(String, Outcome), Error> {
    let mut generation = context.start(text(prompt), settings(document)?)?;
    Ok(finish(&mut generation).await)
}

/// A generation that never ends by itself, and is read: it keeps its place until this is dropped.
struct Endless(tokio::task::JoinHandle<()>);

impl Endless {
    fn start(model: &Model) -> Self {
        let endless =
            r#"{"temp": 0, "max_tokens": -1, "ignore_eos": true, "context_shifting": true}"#;
        let mut generation = start(model, text("a"), settings(endless).unwrap()).unwrap();
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
