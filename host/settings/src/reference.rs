//! The reference of all settings: the table of the documentation and a JSON Schema. Both come from
//! the declarations that documents are read by.

use std::fmt::Write;

use serde_json::{Map, Value as Json, json};

use super::block::{AnyBlock, KeyInfo};
use super::dialect::{is_flat, spellings};
use super::serving::Operator;
use super::settings::{Level, SettingInForce};

/// The schema's key for the version of the contract that is to have a setting as a field.
const SINCE: &str = "x-since";

/// The JSON Schema of a document: every setting with every name, in its section and at the top
/// level.
#[must_use]
pub fn settings_schema() -> Json {
    let mut definitions = Map::new();
    let mut root = Map::new();
    for (section, keys) in spellings() {
        let mut properties = Map::new();
        for info in keys {
            let id = format!("{section}.{}", info.name);
            let reference = json!({"$ref": format!("#/$defs/{id}")});
            for spelling in all_spellings(info) {
                properties.insert(spelling.clone(), reference.clone());
                if is_flat(section) {
                    root.insert(spelling, reference.clone());
                }
            }
            definitions.insert(id, definition(info));
        }
        // llama.cpp's older documents have it there.
        if section == "model" {
            let reference = json!({"$ref": "#/$defs/stopping.max_tokens"});
            properties.insert("n_predict".to_owned(), reference);
        }
        if section == "sampling" {
            groups(&mut properties);
        }
        let section_schema =
            json!({"type": "object", "properties": properties, "additionalProperties": false});
        root.insert(section.to_owned(), section_schema);
    }
    groups(&mut root);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of Mynah",
        "type": "object",
        "properties": root,
        "$defs": definitions,
    })
}

/// Groups may be written under a name of their own. `mirostat` may also be a number.
fn groups(properties: &mut Map<String, Json>) {
    for group in ["dynatemp", "dry", "xtc"] {
        properties.insert(group.to_owned(), json!({"type": "object"}));
    }
    let number = properties.remove("mirostat").unwrap_or_default();
    properties.insert(
        "mirostat".to_owned(),
        json!({"anyOf": [number, {"type": "object"}]}),
    );
}

fn definition(info: &KeyInfo) -> Json {
    let mut schema =
        json!({"anyOf": [(info.schema)(), {"type": "null"}], "description": one_line(info.help)});
    if let (Ok(default), Some(schema)) = ((info.default)(), schema.as_object_mut()) {
        schema.insert("default".to_owned(), default);
    }
    if let (Some(since), Some(schema)) = (info.since, schema.as_object_mut()) {
        schema.insert(SINCE.to_owned(), json!(since));
    }
    schema
}

fn all_spellings(info: &KeyInfo) -> impl Iterator<Item = String> {
    std::iter::once(&info.name)
        .chain(info.also)
        .flat_map(|name| {
            let hyphens = name.replace('_', "-");
            let is_other = hyphens != **name;
            std::iter::once((*name).to_owned()).chain(is_other.then_some(hyphens))
        })
}

fn one_line(help: &str) -> String {
    help.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The table of all settings in Markdown, section by section.
#[must_use]
pub fn settings_table() -> String {
    let mut table = String::new();
    for (section, keys) in spellings() {
        // Writing to a string cannot fail.
        let _ = writeln!(table, "### `{section}`\n");
        let _ = writeln!(
            table,
            "| setting | also | must be | default | meaning |\n|---|---|---|---|---|"
        );
        for info in keys {
            let _ = writeln!(table, "{}", row(info));
        }
        table.push('\n');
    }
    table
}

/// The row of a setting.
fn row(info: &KeyInfo) -> String {
    let also: Vec<String> = info.also.iter().map(|name| format!("`{name}`")).collect();
    let default = match (info.default)() {
        Ok(value) => format!("`{value}`"),
        Err(words) => words.to_owned(),
    };
    let mut meaning = one_line(info.help);
    if let Some(since) = info.since {
        meaning.push_str(&format!(
            " A field of `mynah:llm` from version {since} on; before, set it as JSON."
        ));
    }
    let cells = [
        format!("`{}`", info.name),
        also.join(", "),
        (info.allowed)(),
        default,
        meaning,
    ];
    format!(
        "| {} |",
        cells.map(|cell| cell.replace('|', "\\|")).join(" | ")
    )
}

impl Operator {
    /// The value in force of every setting, if only these are set.
    #[must_use]
    pub fn in_force(&self) -> Vec<SettingInForce> {
        let mut all = super::settings::in_force(&[(Level::Model, &self.settings)]);
        for block in [&self.model as &dyn AnyBlock, &self.backend, &self.logging] {
            for index in 0..block.len() {
                let Some(info) = block.info(index) else {
                    continue;
                };
                let (value, level) = match (block.json(index), (info.default)()) {
                    (Some(value), _) => (value, Level::Model),
                    (None, Ok(value)) => (value, Level::Default),
                    (None, Err(words)) => (Json::String(words.to_owned()), Level::Default),
                };
                all.push(SettingInForce {
                    path: format!("{}.{}", block.section(), info.name),
                    value,
                    level,
                });
            }
        }
        all
    }
}

#[cfg(test)]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "what the macro declares is public"
)]
mod tests {
    use super::*;
    use crate::block::{Block, block};
    use crate::kind::Any;

    #[test]
    fn the_table_has_every_setting_with_its_spellings() {
        let table = settings_table();
        for words in [
            "| `temperature` | `temp` | a number from 0.0 to 100.0 (0.0: greedy) | `0.8` |",
            "`n_predict`",
            "| `max_time_ms` |",
            "no limit",
        ] {
            assert!(table.contains(words), "`{words}` in:\n{table}");
        }
        assert_eq!(table.matches("### ").count(), 9);
    }

    #[test]
    fn the_schema_refers_only_to_what_it_defines() {
        let schema = settings_schema();
        let text = schema.to_string();
        for reference in text.split("\"$ref\":\"#/$defs/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(schema["$defs"].get(name).is_some(), "{name}");
        }
        assert!(schema["properties"]["top-k"].is_object());
        assert!(schema["properties"]["logging"]["properties"]["file"].is_object());
        assert!(schema["properties"]["file"].is_null());
        assert!(schema["properties"]["model"]["properties"]["n_ctx"].is_object());
    }

    #[test]
    fn the_schema_has_groups_at_the_top_and_in_sampling() {
        let schema = settings_schema();
        let of = |section: &str| &schema["properties"][section]["properties"];
        for properties in [&schema["properties"], of("sampling")] {
            for group in ["dynatemp", "dry", "xtc"] {
                assert_eq!(properties[group]["type"], "object", "{group}");
            }
            let mirostat = &properties["mirostat"]["anyOf"];
            assert_eq!(mirostat[0]["$ref"], "#/$defs/sampling.mirostat");
            assert_eq!(mirostat[1]["type"], "object");
        }
        assert!(of("stopping")["dry"].is_null());
        // A key of older documents is in the section of the model alone.
        assert_eq!(
            of("model")["n_predict"]["$ref"],
            "#/$defs/stopping.max_tokens"
        );
        assert!(of("backend")["n_predict"].is_null());
    }

    block! {
        /// A block that exists only in this test.
        pub struct MadeUp in "made_up" {
            /// A setting of every version.
            old: bool = false, "old", [], Any;
            /// A setting of the next version.
            new: bool = false, "new", [], Any, since("0.2.0");
        }
    }

    #[test]
    fn the_version_that_is_to_have_a_setting_is_told_where_there_is_one() {
        let [old, new] = MadeUp::KEYS else {
            panic!("two settings");
        };
        assert!(definition(&old.info).get(SINCE).is_none());
        assert_eq!(definition(&new.info)[SINCE], "0.2.0");
        let words = "from version 0.2.0 on";
        assert!(!row(&old.info).contains(words), "{}", row(&old.info));
        assert!(row(&new.info).contains(words), "{}", row(&new.info));
    }
}
