//! `wasi:nn`, tested with guests that use nothing else.

use std::time::Duration;

use mynah_settings::ModelConfig;
use mynah_tests::guest_models;
use mynah_tests::tiny_model::TinyModel;
use mynah_tests::{Guest, foreach_nn, greedy, solo, tiny, tiny_with};
use mynah_wasi::{GuestModels, Limits};

use crate::assert_test_exists;
use crate::support::conversations::idle_after;

foreach_nn!(assert_test_exists);

/// A guest that may load its own models, up to `max_bytes` each.
fn with_own_models(name: &str, max_bytes: u64) -> Guest {
    let config = ModelConfig {
        ctx_size: Some(256),
        max_concurrent: 1,
        defaults: greedy(8),
        ..ModelConfig::default()
    };
    Guest::new(name).grant(|llm| {
        llm.guest_models(GuestModels {
            max_bytes,
            ..guest_models(config)
        })
    })
}

#[tokio::test]
async fn nn_complete() {
    let text = Guest::new("nn_complete").model(solo()).stdout().await;
    assert!(text.contains("Paris"), "{text}");
}

#[tokio::test]
async fn nn_only_tensor() {
    let text = Guest::new("nn_only_tensor").model(solo()).stdout().await;
    assert!(text.contains("Paris"), "{text}");
}

#[tokio::test]
async fn nn_tensor_roundtrip() {
    let text = Guest::new("nn_tensor_roundtrip").stdout().await;
    assert_eq!(text, "ok tensors=9\n");
}

#[tokio::test]
async fn nn_unknown_model() {
    // Another guest is granted the model as `secret`; this one is not.
    let guest = Guest::new("nn_unknown_model").grant(|llm| llm.model("mine", tiny()));
    let text = guest.args(&["secret", ""]).stdout().await;
    let answers: Vec<String> = text
        .lines()
        .map(|line| {
            line.replace("no-such-model", "NAME")
                .replace("secret", "NAME")
        })
        .collect();
    assert_eq!(answers.len(), 3, "{text}");
    assert_eq!(
        answers[0], answers[1],
        "a name that exists elsewhere looks like one that doesn't"
    );
}

#[tokio::test]
async fn nn_load_security() {
    let text = Guest::new("nn_load_security").stdout().await;
    assert!(text.starts_with("load: security: "), "{text}");
}

#[tokio::test]
async fn nn_load_bytes() {
    let folder = tempfile::tempdir().unwrap();
    TinyModel::default()
        .write_to(&folder.path().join("model.gguf"))
        .unwrap();
    let text = with_own_models("nn_load_bytes", 8 << 20)
        .dir(folder.path(), "/models")
        .stdout()
        .await;
    assert!(text.contains("tpu: unsupported-operation"), "{text}");
}

#[tokio::test]
async fn nn_load_too_large() {
    // More than wasmtime's hostcall fuel of 128 MiB, which would be a trap.
    let text = with_own_models("nn_load_too_large", 64 << 20)
        .args(&["200"])
        .stdout()
        .await;
    assert!(
        text.contains("209715200") && text.contains("67108864"),
        "{text}"
    );
}

#[tokio::test]
async fn nn_load_garbage() {
    let text = with_own_models("nn_load_garbage", 8 << 20).stdout().await;
    assert_eq!(text.lines().count(), 10, "{text}");
    let folder = std::env::temp_dir().display().to_string();
    assert!(
        !text.contains(&folder),
        "tells where the host keeps its files: {text}"
    );
}

#[tokio::test]
async fn nn_bad_tensors() {
    let text = Guest::new("nn_bad_tensors").model(tiny()).stdout().await;
    assert!(text.ends_with("ok\n"), "{text}");
}

#[tokio::test]
async fn nn_config_tensor() {
    let text = Guest::new("nn_config_tensor").model(solo()).stdout().await;
    assert!(text.ends_with("ok\n"), "{text}");
}

#[tokio::test]
async fn nn_prompt_too_long() {
    for words in ["3000", "400000"] {
        let guest = Guest::new("nn_prompt_too_long").model(tiny());
        let text = guest.args(&[words]).stdout().await;
        assert!(text.ends_with("ok\n"), "{text}");
    }
}

/// Runs a guest's own checks with a low limit for tensors.
async fn checks(name: &str) {
    let limits = Limits {
        max_tensor_bytes: 16 << 10,
        ..Limits::default()
    };
    let guest = Guest::new(name)
        .model(tiny())
        .grant(|llm| llm.limits(limits));
    let text = guest.args(&["check"]).stdout().await;
    assert!(text.ends_with("ok\n"), "{text}");
}

#[tokio::test]
async fn nn_2024_08_19() {
    let today = Guest::new("nn_complete").model(solo()).stdout().await;
    let text = Guest::new("nn_2024_08_19").model(solo()).stdout().await;
    assert_eq!(text, today);
    checks("nn_2024_08_19").await;
}

#[tokio::test]
async fn nn_2024_06_25() {
    let today = Guest::new("nn_complete").model(solo()).stdout().await;
    let text = Guest::new("nn_2024_06_25").model(solo()).stdout().await;
    assert_eq!(text, today);
    checks("nn_2024_06_25").await;
}

#[tokio::test]
async fn nn_three_snapshots() {
    let limits = Limits {
        max_tensor_bytes: 16 << 10,
        ..Limits::default()
    };
    let guest = Guest::new("nn_three_snapshots")
        .model(solo())
        .grant(|llm| llm.limits(limits));
    let text = guest.stdout().await;
    let today = Guest::new("nn_complete").model(solo()).stdout().await;
    assert!(text.starts_with(&today), "{text:?} and {today:?}");
}

#[tokio::test]
async fn nn_many_contexts() {
    let model = tiny_with(ModelConfig {
        max_owner_sessions: Some(100),
        ..ModelConfig::default()
    });
    let limits = Limits {
        max_contexts: 100,
        ..Limits::default()
    };
    let guest = Guest::new("nn_many_contexts")
        .model(model)
        .grant(|llm| llm.limits(limits));
    let text = guest.stdout().await;
    assert!(text.contains("contexts=100\n"), "{text}");
}

#[tokio::test]
async fn tensors_beyond_their_limit_are_refused_where_they_are_used() {
    let limits = Limits {
        max_tensor_bytes: 100,
        ..Limits::default()
    };
    let guest = Guest::new("nn_complete")
        .model(tiny())
        .grant(|llm| llm.limits(limits));
    let ended = guest.run().await;
    assert!(matches!(ended.code, Ok(1)), "{ended:?}");
    assert!(ended.stderr.contains("at most 100"), "{ended:?}");
}

#[tokio::test]
async fn nn_idle() {
    for opens_anew in [true, false] {
        let model = idle_after(Duration::from_millis(50), opens_anew);
        let guest = Guest::new("nn_idle").args(&[&opens_anew.to_string()]);
        let guest = guest.grant(|llm| llm.host_status(true)).model(model);
        let said = guest.stdout().await;
        assert!(said.ends_with("ok\n"), "{said}");
    }
}
