//! `mynah config`: checks a file, and lists all settings.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use mynah_settings::{Level, settings_schema, settings_table};
use serde_json::json;

use super::file::{self, OTHERS};
use super::source::Source;
use crate::output::{self, Table};

/// Prints the warnings about a file, then the settings in force with it.
pub(crate) fn check(path: &Path, strict: bool) -> Result<ExitCode> {
    let source = if path == Path::new("-") {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        read.context("stdin can't be read")?;
        Source::new(Path::new("stdin"), text)
    } else {
        Source::read(path).with_context(|| format!("{} can't be read", path.display()))?
    };
    let file = file::parse(&source, strict)?;
    // Checks settings that depend on each other. Each was checked by itself above.
    file.operator.config().check()?;
    for warning in &file.warnings {
        output::warning(&source.at(warning));
    }
    let mut table = Table::default();
    for setting in file.operator.in_force() {
        let who = match setting.level {
            Level::Default => "default",
            Level::Request | Level::Session | Level::Model | Level::File => "set",
        };
        let value = match setting.value {
            serde_json::Value::Null => "none".to_owned(),
            value => value.to_string(),
        };
        table.wide_row([setting.path, who.to_owned()], value);
    }
    output::print(&table)
}

/// Prints the JSON Schema of all settings.
pub(crate) fn schema() -> Result<ExitCode> {
    let mut schema = settings_schema();
    if let Some(properties) = schema
        .pointer_mut("/properties")
        .and_then(|all| all.as_object_mut())
    {
        for other in OTHERS {
            let section = match other.keys {
                None => json!({"type": "object", "additionalProperties": {"type": "string"}}),
                Some(keys) => {
                    let keys = keys.iter().map(|key| ((*key).to_owned(), json!({})));
                    let keys: serde_json::Map<_, _> = keys.collect();
                    json!({"type": "object", "properties": keys, "additionalProperties": false})
                }
            };
            properties.insert(other.name.to_owned(), section);
        }
    }
    output::print(&format!("{schema:#}\n"))
}

/// Prints the table of settings for the documentation.
pub(crate) fn table() -> Result<ExitCode> {
    output::print(&settings_table())
}
