//! JSON documents, with places and with duplicate keys.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::entry::{Entry, Node, Unreadable};
use crate::value::Value;

/// Depth of the tables that are looked into: a section, a group, and a value's own. Deeper tables
/// are values.
const DEPTH: u32 = 3;

/// Reads the entries of a document's root.
pub(super) fn read(document: &[u8]) -> Result<Vec<Entry>, Unreadable> {
    let refuse = |error: &serde_json::Error| Unreadable {
        reason: format!("not JSON: {}", without_place(error)),
        at: Some(offset(document, error)),
    };
    // Reads the whole text once, without recursion. From here on it is valid JSON.
    let root: &RawValue = serde_json::from_slice(document).map_err(|error| refuse(&error))?;
    if !root.get().starts_with('{') {
        return Err(Unreadable {
            reason: format!(
                "settings must be a JSON object, this is {}",
                kind(root.get())
            ),
            at: Some(0),
        });
    }
    let base = document.as_ptr().addr();
    entries(root, base, 0).map_err(|error| refuse(&error))
}

fn entries(table: &RawValue, base: usize, depth: u32) -> Result<Vec<Entry>, serde_json::Error> {
    let Table(raw) = serde_json::from_str(table.get())?;
    let entries = raw.into_iter().map(|(key, value)| {
        let at = |text: &str| text.as_ptr().addr().saturating_sub(base);
        Ok(Entry {
            key: serde_json::from_str::<Cow<'_, str>>(key.get())?.into_owned(),
            at: at(key.get()),
            value_at: at(value.get()),
            items_at: items(value).map(|item| at(item.get())).collect(),
            node: node(value, base, depth)?,
        })
    });
    entries.collect()
}

/// The items of a list. A list that cannot be read has none; its value is reported.
fn items(value: &RawValue) -> impl Iterator<Item = &RawValue> {
    let list = value.get().starts_with('[');
    let items: Option<Vec<&RawValue>> = list
        .then(|| serde_json::from_str(value.get()).ok())
        .flatten();
    items.into_iter().flatten()
}

fn node(value: &RawValue, base: usize, depth: u32) -> Result<Node, serde_json::Error> {
    if depth < DEPTH && value.get().starts_with('{') {
        return entries(value, base, depth + 1).map(Node::Table);
    }
    // serde_json limits the depth to 128 levels.
    let value: Result<serde_json::Value, _> = serde_json::from_str(value.get());
    Ok(match value {
        Ok(value) => Node::Value(Value::from(value)),
        Err(error) => Node::Broken(format!(
            "this value can't be read: {}",
            without_place(&error)
        )),
    })
}

/// The entries of an object, including those with the same key.
struct Table<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Table<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Table<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Table<'de>, M::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Table(entries))
            }
        }

        from.deserialize_map(Entries)
    }
}

/// The error without its line and column, which are reported separately.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place)
        .map_or(text.clone(), str::to_owned)
}

/// The place of an error.
fn offset(document: &[u8], error: &serde_json::Error) -> usize {
    let lines = document.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines
        .take(error.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    before + error.column().saturating_sub(1)
}

fn kind(json: &str) -> &'static str {
    match json.as_bytes().first() {
        Some(b'[') => "a list",
        Some(b'"') => "a text",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        _ => "a number",
    }
}
