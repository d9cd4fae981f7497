//! Cases 1 to 5: unloading and loading a backend, and the four forms of its documents.

use std::time::Duration;

use mynah_core::{Error, Model, Owner};
use mynah_settings::{Level, Seed, SettingInForce};
use mynah_tests::tiny_model::TinyModel;
use serde_json::{Value, json};

use super::{context, load, read, run, tiny};

/// The value in force in a new context, and its origin.
fn in_force(model: &Model, path: &str) -> (Value, Level) {
    let all = context(model).effective();
    let found = all.into_iter().find(|setting| setting.path == path);
    let SettingInForce { value, level, .. } = found.unwrap();
    (value, level)
}

/// Case 1, `basic_backend_init`.
#[tokio::test]
async fn a_model_that_was_unloaded_comes_again_and_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    TinyModel::default().write_to(&path).unwrap();
    let model = load(&path, r#"{"keep_alive_ms": 86400000}"#);
    assert!(model.is_loaded() && model.is_alive());
    let mut first = context(&model);
    let (said, _) = run(&mut first, "hello", r#"{"temp": 0, "max_tokens": 4}"#)
        .await
        .unwrap();
    assert!(!said.is_empty());
    drop(first);
    assert!(model.unload() && !model.is_loaded());
    assert_eq!(model.status().sessions, 0);
    // Loaded again, it gives the same answer.
    let mut second = context(&model);
    let (again, _) = run(&mut second, "hello", r#"{"temp": 0, "max_tokens": 4}"#)
        .await
        .unwrap();
    assert_eq!(again, said);
}

/// Case 2, `legacy_flat_config`.
#[test]
fn a_flat_document_of_the_backend_is_in_force() {
    let document = r#"{"max_sessions": 25, "idle_timeout_ms": 150000, "auto_cleanup": false, "max_concurrent": 2,
        "queue_size": 10}"#;
    let read = read(document).unwrap();
    assert!(read.warnings.is_empty(), "{:?}", read.warnings);
    let config = read.config;
    assert_eq!(
        (
            config.max_sessions,
            config.max_concurrent,
            config.queue_size
        ),
        (25, 2, 10)
    );
    assert_eq!(config.idle_timeout, Duration::from_secs(150));
    assert!(!config.auto_cleanup);
    // The settings are in force, too.
    let model = tiny(document);
    assert_eq!(model.status().queue_capacity, 10);
    let open: Vec<_> = (0..25).map(|_| context(&model)).collect();
    let refused = model.session(Owner::unique()).map(drop);
    assert!(
        matches!(refused, Err(Error::TooManySessions { limit: 25 })),
        "{refused:?}"
    );
    drop(open);
}

/// Case 3, `enhanced_nested_config`.
#[test]
fn a_document_in_sections_is_in_force_and_sections_without_effect_are_named() {
    let document = r#"{
        "backend": {"max_sessions": 100, "idle_timeout_ms": 300000, "auto_cleanup": true, "max_concurrent": 8, "queue_size": 50},
        "memory_policy": {"context_shifting": true, "cache_strategy": "lru", "max_cache_tokens": 10000},
        "logging": {"level": "info", "enable_debug": false},
        "performance": {"batch_processing": true, "batch_size": 512}
    }"#;
    let told = read(document).unwrap();
    let config = &told.config;
    assert_eq!(
        (
            config.max_sessions,
            config.max_concurrent,
            config.queue_size
        ),
        (100, 8, 50)
    );
    assert!(config.auto_cleanup);
    // The warning about a key without effect names the key that has an effect.
    let find = |words: &str| told.warnings.iter().any(|warning| warning.contains(words));
    assert!(
        find("`memory_policy` has no effect") && find("section `memory`"),
        "{:?}",
        told.warnings
    );
    assert!(find("`performance` has no effect"), "{:?}", told.warnings);
    assert_eq!(told.warnings.len(), 2, "{:?}", told.warnings);
    // Under that name, the setting is in force.
    let model = tiny(&document.replace("memory_policy", "memory"));
    assert_eq!(
        in_force(&model, "memory.context_shifting"),
        (json!(true), Level::Model)
    );
    assert_eq!(
        in_force(&model, "memory.max_cache_tokens"),
        (json!(10000), Level::Model)
    );
}

/// Case 4, `legacy_model_config`.
#[test]
fn a_flat_document_of_a_model_is_in_force() {
    let document = r#"{"n_gpu_layers": 48, "ctx_size": 1024, "n_predict": 256, "batch_size": 256, "threads": 4, "temp": 0.8,
        "top_p": 0.9, "repeat_penalty": 1.05}"#;
    let told = read(document).unwrap();
    assert!(told.warnings.is_empty(), "{:?}", told.warnings);
    let config = told.config;
    assert_eq!(
        (config.n_gpu_layers, config.ctx_size),
        (Some(48), Some(1024))
    );
    assert_eq!((config.batch_size, config.threads), (256, Some(4)));
    let model = tiny(document);
    for (path, value) in [
        ("stopping.max_tokens", json!(256)),
        ("sampling.temperature", json!(0.8)),
        ("sampling.top_p", json!(0.9)),
        ("sampling.repeat_penalty", json!(1.05)),
    ] {
        assert_eq!(in_force(&model, path), (value, Level::Model), "{path}");
    }
    assert_eq!(in_force(&model, "sampling.top_k").1, Level::Default);
}

/// Case 5, `enhanced_model_config`.
#[tokio::test]
async fn every_key_of_a_models_sections_is_in_force() {
    let document = r#"{
        "model": {"n_gpu_layers": 98, "ctx_size": 2048, "n_predict": 512, "batch_size": 512, "threads": 8},
        "sampling": {"temp": 0.7, "top_p": 0.95, "top_k": 40, "min_p": 0.05, "typical_p": 1.0, "repeat_penalty": 1.10,
            "presence_penalty": 0.0, "frequency_penalty": 0.0, "penalty_last_n": 64, "mirostat": 0, "mirostat_tau": 5.0,
            "mirostat_eta": 0.1, "seed": -1},
        "stopping": {"stop": ["\n\n", "User:", "Assistant:"], "max_tokens": 512, "max_time_ms": 30000, "ignore_eos": false},
        "memory": {"context_shifting": true, "cache_prompt": true, "max_cache_tokens": 10000}
    }"#;
    let told = read(document).unwrap();
    assert!(told.warnings.is_empty(), "{:?}", told.warnings);
    assert_eq!(told.config.defaults.sampling.seed, Some(Seed::Random));
    let model = tiny(document);
    // Every key of the document is in force, from the operator.
    let nested: Value = serde_json::from_str(document).unwrap();
    for section in ["sampling", "stopping", "memory"] {
        for (key, value) in nested[section].as_object().unwrap() {
            let key = if key == "temp" { "temperature" } else { key };
            assert_eq!(
                in_force(&model, &format!("{section}.{key}")),
                (value.clone(), Level::Model),
                "{key}"
            );
        }
    }
    let (_, outcome) = run(&mut context(&model), "hello", r#"{"max_tokens": 3}"#)
        .await
        .unwrap();
    assert_eq!(outcome.usage.generated_tokens, 3, "{outcome:?}");
}
