//! Settings through `mynah:llm/llm-config` and of a request, as guests use them.

use std::collections::BTreeMap;

use mynah_settings::{ModelConfig, Priority, Sampling, Settings, Stopping};
use mynah_tests::tiny_model::TinyModel;
use mynah_tests::{Guest, foreach_config, solo, tiny, tiny_with};
use serde_json::{Value, json};
use wit_parser::{InterfaceId, Resolve, TypeDefKind, TypeOwner};

use super::contract;
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
    let model = mynah_engine::load(&path, config, |_| {}).unwrap();
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

/// The fields of the records of `mynah:llm/settings`, as `record.field` with underscores, with
/// their documentation.
fn fields(contract: &Resolve) -> BTreeMap<String, String> {
    let is_ours = |id: InterfaceId| contract.interfaces[id].name.as_deref() == Some("settings");
    let mut fields = BTreeMap::new();
    for (_, ty) in &contract.types {
        let (TypeOwner::Interface(owner), TypeDefKind::Record(record)) = (ty.owner, &ty.kind)
        else {
            continue;
        };
        let name = ty.name.as_deref().unwrap_or_default();
        if !is_ours(owner) || ["settings", "logit-bias"].contains(&name) {
            continue;
        }
        for field in &record.fields {
            let docs = field.docs.contents.as_deref().unwrap_or_default();
            let words: Vec<&str> = docs.split_whitespace().collect();
            fields.insert(
                format!("{name}.{}", field.name.replace('-', "_")),
                words.join(" ").to_lowercase(),
            );
        }
    }
    fields
}

/// The number of a version, such as `0.1.0`, for comparison.
fn number(version: &str) -> Vec<u32> {
    let parts = version.split('.').map(|part| part.parse().unwrap());
    parts.collect()
}

/// Compares the settings of a request, as the JSON Schema has them, with the fields of a version of
/// the contract: each setting is a field, with its range and default. A setting that a later
/// version is to have (`x-since`) is not a field yet: JSON reaches it.
fn compare(settings: &Value, fields: &BTreeMap<String, String>, version: &str) {
    let mut names = Vec::new();
    for (path, setting) in settings.as_object().unwrap() {
        let section = path.split('.').next().unwrap();
        if !["sampling", "stopping", "memory", "scheduling", "reasoning"].contains(&section) {
            continue;
        }
        let since = setting["x-since"].as_str();
        if since.is_some_and(|since| number(since) > number(version)) {
            continue;
        }
        names.push(path.clone());
        let docs = fields
            .get(path)
            .unwrap_or_else(|| panic!("{path} is not in {:?}", fields.keys()));
        if path == "sampling.seed" {
            // In the contract it is a variant with its own range; documents write -1 for random.
            assert!(docs.contains("default random"), "{docs}");
            continue;
        }
        let default = match &setting["default"] {
            // The contract leaves the defaults of the cache to the host, so that they can change.
            _ if section == "memory" => String::new(),
            default if default.is_number() => format!("default {default}"),
            _ => "default".to_owned(),
        };
        assert!(docs.contains(&default), "{path}: `{default}` in: {docs}");
        for kind in setting["anyOf"].as_array().unwrap() {
            for bound in ["minimum", "maximum"] {
                // Limits of the type itself, and the special value `-1`, are documented in words.
                let Some(bound) = kind[bound].as_f64().filter(|bound| bound.abs() < 1e9) else {
                    continue;
                };
                let told = [format!("{bound:?}"), format!("{bound}")];
                assert!(
                    told.iter().any(|told| docs.contains(told)),
                    "{path}: {told:?} in: {docs}"
                );
            }
        }
    }
    names.sort();
    assert_eq!(names, fields.keys().cloned().collect::<Vec<_>>());
}

#[test]
fn the_contract_has_every_setting_of_a_request_with_its_range_and_default() {
    let contract = contract();
    let packages = contract.packages.iter().map(|(_, package)| &package.name);
    let ours = packages.filter(|name| name.namespace == "mynah" && name.name == "llm");
    let versions: Vec<String> = ours
        .filter_map(|name| Some(name.version.as_ref()?.to_string()))
        .collect();
    let [version] = versions.as_slice() else {
        panic!("one version of mynah:llm: {versions:?}");
    };
    let schema = mynah_settings::settings_schema();
    compare(&schema["$defs"], &fields(&contract), version);
}

#[test]
fn a_setting_of_a_later_version_is_not_a_field_yet() {
    let settings = json!({
        "sampling.old": {"anyOf": [{"type": "boolean"}], "default": false},
        "sampling.new": {"anyOf": [{"type": "boolean"}], "default": false, "x-since": "0.2.0"},
    });
    let passes = |names: &[&str], version: &str| {
        let field = |name: &&str| (format!("sampling.{name}"), "default false".to_owned());
        let fields = names.iter().map(field).collect();
        std::panic::catch_unwind(|| compare(&settings, &fields, version)).is_ok()
    };
    assert!(passes(&["old"], "0.1.1"));
    assert!(passes(&["old", "new"], "0.2.0"));
    assert!(!passes(&["old"], "0.2.0"), "missing, and due");
    assert!(!passes(&["old", "new"], "0.1.1"), "there, and not due");
    assert!(!passes(&["new"], "0.2.0"), "an old one is missing");
}
