//! A host that is short of memory: the errors that a component gets, and a model that cannot fit.

use mynah_core::{Error, Owner, PressureLevel, Prompt};
use mynah_settings::{ModelConfig, Settings};
use mynah_tests::tiny_model::TinyModel;
use mynah_tests::{cargo_component_wasm, greedy, tiny_with};

use crate::support::command::run;

/// A limit below the size of any process.
fn short() -> ModelConfig {
    ModelConfig {
        max_process_bytes: Some(1 << 20),
        check_memory: false,
        defaults: greedy(4),
        ..ModelConfig::default()
    }
}

#[tokio::test]
async fn a_request_is_refused_with_the_numbers_when_memory_is_short() {
    let model = tiny_with(short());
    let mut session = model.session(Owner::unique()).unwrap();
    let refused = session
        .start(Prompt::Text("a".into()), Settings::default())
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::MemoryShort { .. }), "{refused}");
    assert!(refused.to_string().contains("of 1.0 MiB"), "{refused}");
    let status = model.status();
    assert_eq!((status.requests.refused, status.requests.accepted), (1, 0));
    assert_eq!(status.pressure.level, PressureLevel::Refuse);
    assert!(status.pressure.process.unwrap().share() > 1.0);
}

#[test]
fn enough_memory_is_no_pressure() {
    let model = tiny_with(ModelConfig {
        pressure_threshold: 1.0,
        ..ModelConfig::default()
    });
    let pressure = model.status().pressure;
    assert_eq!(pressure.level, PressureLevel::None);
    assert!(pressure.process.unwrap().used > 0);
    assert_eq!((pressure.cells, pressure.parked), (0.0, 0.0));
}

#[test]
fn a_component_is_told_and_a_model_that_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    TinyModel::default().write_to(&path).unwrap();
    let model = format!("default={}", path.display());
    let bound = ["run", "--model", &model, "--max-process-bytes", "1MiB"];
    let component = cargo_component_wasm("chat").display().to_string();
    let said = run(&[&bound[..], &[&component]].concat());
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert!(
        said.stderr.contains("0 B are available of the 1.0 MiB"),
        "{}",
        said.stderr
    );
    let all_the_same = ["--set", "check_memory=false", &component, "Hello"];
    let said = run(&[&bound[..], &all_the_same].concat());
    assert_ne!(said.code, Some(0));
    assert!(said.stderr.contains("memory is short"), "{}", said.stderr);
}
