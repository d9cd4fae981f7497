//! Tests that every declared setting is used, and that its declaration generates everything it
//! should.
//!
//! Uses are looked up in the sources of the neighbouring crates. A use reads the field through a
//! value that is named after the struct of effective settings (`config.kv_type`,
//! `settings.stopping.stop`). For an unused setting the test fails with its name.

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::{
    LoggingInForce, MemoryInForce, ModelConfig, Operator, Reading, ReasoningInForce,
    SamplingInForce, SchedulingInForce, StoppingInForce,
};

/// The sources that use settings, on one line and without tests.
fn sources(crates: &[&str]) -> String {
    let mut all = String::new();
    for name in crates {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
        collect(&folder.join("src"), &mut all);
    }
    on_one_line(&all)
}

/// The same source, with every path on one line.
fn on_one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace(" .", ".")
}

fn collect(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if stem == "tests" || stem == "testing" {
            continue;
        }
        if path.is_dir() {
            collect(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            all.push_str(text.split("#[cfg(test)]\nmod tests {").next().unwrap());
        }
    }
}

/// Whether a field is read through one of these names.
fn is_read(sources: &str, places: &[&str], field: &str) -> bool {
    places.iter().any(|place| {
        let read = format!("{place}.{field}");
        sources.match_indices(&read).any(|(at, _)| {
            let after = sources[at + read.len()..].chars().next();
            !after.is_some_and(|after| after.is_alphanumeric() || after == '_' || after == '(')
        })
    })
}

/// The crates that may use a setting: all neighbouring crates except the command line, which only
/// passes settings on.
fn users() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let names = fs::read_dir(folder).unwrap().map(|entry| {
        let name = entry.unwrap().file_name();
        name.to_str().unwrap().to_owned()
    });
    names
        .filter(|name| !["settings", "cli"].contains(&name.as_str()))
        .collect()
}

#[test]
fn every_setting_is_used() {
    let users = users();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let engine = sources(&users);
    // Values that are derived from settings in this crate are used here.
    let model = on_one_line(
        include_str!("model.rs")
            .split("#[cfg(test)]")
            .next()
            .unwrap(),
    );
    let memory = on_one_line(include_str!("memory.rs"));
    let mut unused = Vec::new();
    let mut look = |section: &str, fields: &[&str], places: &[&str], own: &str| {
        for field in fields {
            if !is_read(&engine, places, field) && !is_read(own, &["self"], field) {
                unused.push(format!("{section}.{field}"));
            }
        }
    };
    look("ModelConfig", ModelConfig::FIELDS, &["config"], &model);
    let sampling = ["sampling", "s", "settings"];
    look("sampling", SamplingInForce::FIELDS, &sampling, "");
    look("stopping", StoppingInForce::FIELDS, &["stopping"], "");
    look("memory", MemoryInForce::FIELDS, &["memory"], &memory);
    look("scheduling", SchedulingInForce::FIELDS, &["scheduling"], "");
    look("reasoning", ReasoningInForce::FIELDS, &["reasoning"], "");
    let command = sources(&["cli"]);
    let own = on_one_line(include_str!("logging.rs"));
    for field in LoggingInForce::FIELDS {
        if !is_read(&command, &["all"], field) && !is_read(&own, &["self"], field) {
            unused.push(format!("logging.{field}"));
        }
    }
    assert!(
        unused.is_empty(),
        "declared, and read by nobody: {unused:?}. A use reads the field as `config.FIELD`, or as \
         `SECTION.FIELD` for a request's setting"
    );
}

#[test]
fn a_setting_that_nobody_reads_is_found() {
    let text = "let x = config.kv_type as u8; config.kv_cells_for(3); config.kv_layout_of";
    assert!(is_read(text, &["config"], "kv_type"));
    assert!(!is_read(text, &["config"], "kv_cells"));
    assert!(!is_read(text, &["config"], "kv_layout"));
    assert!(!is_read(text, &["config"], "kv_cells_for"));
}

/// A value that the schema allows, other than the default.
fn another(schema: &Json, default: &Json) -> Json {
    let kinds = schema["anyOf"].as_array().map_or(&[][..], Vec::as_slice);
    let from = |kind: &Json| -> Vec<Json> {
        if let Some(names) = kind["enum"].as_array() {
            return names.clone();
        }
        match kind["type"].as_str() {
            Some("boolean") => vec![json!(true), json!(false)],
            Some("integer") => {
                let least = kind["minimum"].as_i64().unwrap();
                vec![json!(least), json!(least + 1)]
            }
            Some("number") => vec![kind["minimum"].clone(), kind["maximum"].clone()],
            Some("string") => vec![json!("x")],
            Some("array") => vec![json!(["x"])],
            _ => Vec::new(),
        }
    };
    let all = kinds.iter().chain([schema]).flat_map(from);
    all.into_iter().find(|value| value != default).unwrap()
}

#[test]
fn a_declaration_makes_the_key_the_form_and_the_field_in_force() {
    let mut operator = Operator::default();
    let blocks = operator.blocks_mut();
    let served = blocks
        .iter()
        .filter(|block| ["model", "backend"].contains(&block.section()));
    let mut keys = Vec::new();
    for block in served {
        for index in 0..block.len() {
            keys.push((block.section(), block.info(index).unwrap()));
        }
    }
    for (section, info) in keys {
        let default = (info.default)().unwrap_or_default();
        let value = another(&(info.schema)(), &default);
        let document = json!({ section: { info.name: value } });
        let read = Reading::json(document.to_string().as_bytes());
        let read = read.for_operator(true).unwrap().operator;
        let said = |operator: &Operator| -> Vec<String> {
            let all = operator.in_force().into_iter();
            all.map(|one| format!("{}={}", one.path, one.value))
                .collect()
        };
        let path = format!("{section}.{}", info.name);
        let (said, before) = (said(&read), said(&Operator::default()));
        let changed: Vec<&String> = said.iter().filter(|one| !before.contains(one)).collect();
        assert_eq!(changed, [&format!("{path}={value}")]);
        // The program chooses the folder for converted models.
        if path != "model.optimize" {
            assert_ne!(read.config(), ModelConfig::default(), "{path}");
        }
    }
}
