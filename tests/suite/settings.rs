//! Settings through `mynah:llm/llm-config` and a request's own, as guests use them.

use mynah_engine::{ModelConfig, Settings, Stopping};
use mynah_tests::{Guest, foreach_config, solo, tiny_with};

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
