//! Components run on a backend that Mynah doesn't know, through its public API alone.

use std::path::PathBuf;

use mynah_core::{Error, Feature, Model, Owner, Prompt};
use mynah_settings::{Output, Sampling, Scheduling, Settings};
use mynah_wasi::{LlmCtx, LlmCtxView, LlmView};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::p2::bindings::Command;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

struct State {
    table: ResourceTable,
    wasi: WasiCtx,
    llm: LlmCtx,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl LlmView for State {
    fn llm(&mut self) -> LlmCtxView<'_> {
        LlmCtxView {
            ctx: &mut self.llm,
            table: &mut self.table,
        }
    }
}

/// The component of that name among the test guests, which `cargo xtask guests` builds.
fn component(name: &str) -> PathBuf {
    let folder = std::env::var_os("MYNAH_TEST_GUESTS").expect("`cargo xtask test` sets it");
    let file = format!("wasm32-wasip2/release/{name}.wasm");
    PathBuf::from(folder).join(file)
}

/// Runs a component with the model `default`, and gives what it wrote to stdout.
async fn run(name: &str, args: &[&str], model: Model) -> String {
    let engine = Engine::new(&Config::new()).unwrap();
    let mut linker = Linker::<State>::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
    mynah_wasi::add_to_linker(&mut linker).unwrap();
    let stdout = MemoryOutputPipe::new(1 << 20);
    let mut wasi = WasiCtx::builder();
    wasi.stdout(stdout.clone())
        .inherit_stderr()
        .arg(name)
        .args(args);
    let state = State {
        table: ResourceTable::new(),
        wasi: wasi.build(),
        llm: LlmCtx::builder().model("default", model).build(),
    };
    let mut store = Store::new(&engine, state);
    let component = Component::from_file(&engine, component(name)).unwrap();
    let command = Command::instantiate_async(&mut store, &component, &linker)
        .await
        .unwrap();
    let ended = command.wasi_cli_run().call_run(&mut store).await.unwrap();
    assert!(ended.is_ok(), "{name} failed");
    String::from_utf8(stdout.contents().to_vec()).unwrap()
}

#[tokio::test]
async fn a_component_of_wasi_nn_is_answered_by_the_new_backend() {
    let answer = run(
        "nn_complete",
        &["one two three"],
        mynah_test_embedder::model(),
    )
    .await;
    assert_eq!(answer, "one two three\n");
}

#[tokio::test]
async fn a_component_that_streams_is_answered_by_the_new_backend() {
    let answer = run(
        "stream_text",
        &["one two three", "2"],
        mynah_test_embedder::model(),
    )
    .await;
    assert!(answer.starts_with("one two"), "{answer}");
}

#[tokio::test]
async fn a_request_for_text_whose_settings_ask_for_vectors_is_refused() {
    let mut session = mynah_test_embedder::model()
        .session(Owner::unique())
        .unwrap();
    let vectors = Settings {
        output: Output {
            embedding: Some(true),
            ..Output::default()
        },
        ..Settings::default()
    };
    let error = session.start(Prompt::Text("one".into()), vectors).await;
    assert!(matches!(error, Err(Error::VectorsAsked)), "{error:?}");
}

#[tokio::test]
async fn what_the_backend_lacks_is_an_error_that_names_both() {
    let mut session = mynah_test_embedder::model()
        .session(Owner::unique())
        .unwrap();
    let probabilities = Settings {
        sampling: Sampling {
            n_probs: Some(3),
            ..Sampling::default()
        },
        ..Settings::default()
    };
    let deterministic = Settings {
        scheduling: Scheduling {
            deterministic: Some(true),
            ..Scheduling::default()
        },
        ..Settings::default()
    };
    let text = || Prompt::Text("one".into());
    for (prompt, settings, lacking) in [
        (text(), probabilities, Feature::LogProbabilities),
        (text(), deterministic, Feature::Deterministic),
        (
            Prompt::Tokens(vec![1]),
            Settings::default(),
            Feature::TokenIds,
        ),
    ] {
        let error = session.start(prompt, settings).await.unwrap_err();
        let Error::Unsupported {
            feature, backend, ..
        } = &error
        else {
            panic!("{error}");
        };
        assert_eq!((*feature, *backend), (lacking, "echo"));
        let text = error.to_string();
        assert!(
            text.contains("echo") && text.contains(lacking.name()),
            "{text}"
        );
    }
}
