//! The SDK, tested with guests that use it as documented.

use std::path::Path;
use std::process::Command;

use mynah_settings::ModelConfig;
use mynah_tests::{Guest, foreach_sdk, model_path, solo, tiny, tiny_with};

use crate::assert_test_exists;
use crate::support::generations::{is_idle, until};

foreach_sdk!(assert_test_exists);

async fn real(name: &str) -> String {
    Guest::new(name).model(solo()).stdout().await
}

#[tokio::test]
async fn sdk_generate() {
    let text = real("sdk_generate").await;
    assert!(text.contains("Paris") && text.contains("finish="), "{text}");
}

#[tokio::test]
async fn sdk_stream() {
    assert!(real("sdk_stream").await.contains("Paris"));
}

#[tokio::test]
async fn sdk_chat() {
    let text = real("sdk_chat").await;
    assert!(text.contains("Paris"), "{text}");
}

#[tokio::test]
async fn sdk_error_partial() {
    assert!(real("sdk_error_partial").await.ends_with("ok\n"));
}

#[tokio::test]
async fn sdk_presets() {
    let text = Guest::new("sdk_presets").model(tiny()).stdout().await;
    assert!(text.ends_with("ok\n"), "{text}");
}

#[tokio::test]
async fn sdk_json_schema() {
    let text = real("sdk_json_schema").await;
    assert!(text.ends_with("ok\n"), "{text}");
}

#[tokio::test]
async fn sdk_tools() {
    let text = real("sdk_tools").await;
    assert!(text.ends_with("ok\n"), "{text}");
}

#[tokio::test]
async fn sdk_streams() {
    let model = tiny_with(ModelConfig {
        queue_size: 20,
        ..ModelConfig::default()
    });
    let guest = Guest::new("sdk_streams").model(model.clone());
    assert_eq!(guest.stdout().await, "ok\n");
    until(&model, is_idle).await;
}

#[tokio::test]
async fn sdk_answer_all() {
    // The host allows fewer concurrent requests and sessions than the guest wants.
    for max_sessions in [100, 3] {
        let model = tiny_with(ModelConfig {
            max_concurrent: 2,
            queue_size: 2,
            max_sessions,
            ..ModelConfig::default()
        });
        let guest = Guest::new("sdk_answer_all").model(model.clone());
        assert_eq!(guest.stdout().await, "ok\n");
        until(&model, is_idle).await;
    }
}

#[tokio::test]
async fn sdk_fork() {
    let model = mynah_engine::load(
        &model_path(),
        ModelConfig {
            ctx_size: Some(1024),
            max_concurrent: 2,
            ..ModelConfig::default()
        },
        |_| {},
    );
    let guest = Guest::new("sdk_fork").model(model.unwrap());
    assert_eq!(guest.stdout().await, "ok\n");
}

#[tokio::test]
async fn sdk_embed() {
    let guest = Guest::new("sdk_embed").model(solo());
    assert_eq!(guest.stdout().await, "ok\n");
}

#[tokio::test]
async fn sdk_status() {
    for (may_see_all, lines) in [("false", 3), ("true", 6)] {
        let guest = Guest::new("sdk_status").args(&[may_see_all]);
        let guest = guest.grant(|llm| llm.host_status(may_see_all == "true"));
        let model = tiny_with(ModelConfig::default());
        model.note_ignored_key("key-of-another", "what it should be");
        let said = guest.model(model).stdout().await;
        let said: Vec<&str> = said.lines().collect();
        assert_eq!((said.len(), said.last()), (lines, Some(&"ok")), "{said:?}");
        for json in &said[..lines - 1] {
            let value: serde_json::Value = serde_json::from_str(json).unwrap();
            assert!(value.is_object(), "{json}");
        }
        let others = said[0].contains("key-of-another");
        assert_eq!(others, may_see_all == "true", "{}", said[0]);
    }
}

#[tokio::test]
async fn sdk_load() {
    let model = tiny_with(ModelConfig {
        ctx_size: Some(65_536),
        max_concurrent: 1,
        queue_size: 2,
        max_unread_bytes: 16 << 20,
        ..ModelConfig::default()
    });
    let guest = Guest::new("sdk_load").grant(|llm| llm.host_status(true));
    let said = guest.model(model.clone()).stdout().await;
    let mut said = said
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let expected = said.next().unwrap();
    // The guest's view, typed and as JSON, equals the engine's report.
    let report = serde_json::to_value(model.report()).unwrap();
    let mut compared = 0;
    for (kind, told) in ["queue", "memory", "performance", "model"].iter().zip(said) {
        for (name, value) in expected.as_object().unwrap() {
            if let Some(here) = report[kind].get(name) {
                assert_eq!((here, &told[name]), (value, value), "{kind}.{name}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 12);
}

/// Both ways to build a guest give components with the same imports of Mynah's interfaces.
#[test]
fn the_examples_built_either_way_import_the_same() {
    for example in [
        "agent",
        "assistant",
        "batch",
        "chat",
        "complete",
        "extract",
        "monitor",
    ] {
        let imports = |path: &Path| {
            let inspected = Command::new(crate::support::command::mynah())
                .arg("inspect")
                .arg(path)
                .output()
                .unwrap();
            assert!(inspected.status.success(), "{inspected:?}");
            let text = String::from_utf8(inspected.stdout).unwrap();
            let ours = text.lines().filter(|line| line.contains("(served)"));
            ours.map(|line| line.trim_start_matches("imports").trim().to_owned())
                .collect::<Vec<_>>()
        };
        let plain = mynah_tests::wasm(example);
        let component = mynah_tests::cargo_component_wasm(example);
        let (plain, component) = (imports(&plain), imports(&component));
        assert_eq!(plain, component, "{example}");
        let knows_mynah = plain.iter().any(|import| import.starts_with("mynah:llm"));
        assert_eq!(knows_mynah, example != "complete", "{example}: {plain:?}");
    }
}
