//! Settings through `mynah:llm/llm-config` and a request's own, as guests use them.

use mynah_engine::{Model, ModelConfig, Priority, Sampling, Settings, Stopping};
use mynah_tests::tiny_model::TinyModel;
use mynah_tests::{Guest, foreach_config, solo, tiny, tiny_with};

use crate::assert_test_exists;

foreach_config!(assert_test_exists);

#[tokio::test]
async fn config_session() {
    let model = tiny_with(ModelConfig {
        defaults: Settings {
            stopping: Stopping {
                max_tokens: Some(7),
                ..Stopping::default()
            },
            ..Settings::default()
        },
        ..ModelConfig::default()
    });
    let said = Guest::new("config_session").model(model).stdout().await;
    assert!(said.ends_with("ok\n"), "{said}");
}

#[tokio::test]
async fn config_load() {
    let model = tiny_with(ModelConfig::default());
    let said = Guest::new("config_load").model(model).stdout().await;
    assert!(said.ends_with("ok\n"), "{said}");
}

#[tokio::test]
async fn config_sampling() {
    let said = Guest::new("config_sampling").model(solo()).stdout().await;
    assert!(said.ends_with("ok\n"), "{said}");
}

#[tokio::test]
async fn config_precedence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recommends.gguf");
    let file = TinyModel {
        recommended: vec![("temp", 0.6), ("top_p", 0.5)],
        ..TinyModel::default()
    };
    file.write_to(&path).unwrap();
    let config = ModelConfig {
        defaults: Settings {
            sampling: Sampling {
                temperature: Some(0.7),
                top_k: Some(6),
                ..Sampling::default()
            },
            stopping: Stopping {
                max_tokens: Some(3),
                ..Stopping::default()
            },
            ..Settings::default()
        },
        ..ModelConfig::default()
    };
    let model = Model::load(&path, config, |_| {}).unwrap();
    let said = Guest::new("config_precedence").model(model).stdout().await;
    assert!(said.ends_with("ok\n"), "{said}");
}

#[tokio::test]
async fn config_bad() {
    let said = Guest::new("config_bad").model(tiny()).stdout().await;
    assert!(said.ends_with("ok\n"), "{said}");
}

#[tokio::test]
async fn config_priority() {
    let guest = Guest::new("config_priority").model(tiny());
    let guest = guest.grant(|llm| llm.max_priority(Priority::Normal));
    let said = guest.stdout().await;
    assert!(said.ends_with("ok\n"), "{said}");
}
