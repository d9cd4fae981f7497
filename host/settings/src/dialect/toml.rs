//! TOML documents.

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use super::entry::{Entry, Node, Unreadable};
use crate::value::Value;

/// Reads the entries of a document's root.
pub(super) fn read(document: &[u8]) -> Result<Vec<Entry>, Unreadable> {
    let text = str::from_utf8(document).map_err(|error| Unreadable {
        reason: format!("not TOML: {error}"),
        at: Some(error.valid_up_to()),
    })?;
    let root = DeTable::parse(text).map_err(|error| Unreadable {
        reason: format!("not TOML: {}", error.message()),
        at: error.span().map(|span| span.start),
    })?;
    Ok(entries(root.get_ref()))
}

fn entries(table: &DeTable<'_>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            at: key.span().start,
            value_at: value.span().start,
            items_at: match value.get_ref() {
                DeValue::Array(items) => items.iter().map(|item| item.span().start).collect(),
                _ => Vec::new(),
            },
            node: node(value),
        })
        .collect();
    // The parser sorts a table by name. This restores the order of the document.
    entries.sort_by_key(|entry| entry.at);
    entries
}

fn node(value: &Spanned<DeValue<'_>>) -> Node {
    match value.get_ref() {
        DeValue::Table(table) => Node::Table(entries(table)),
        other => match plain(other) {
            Some(value) => Node::Value(value),
            None => Node::Broken("no setting has a value of this type".to_owned()),
        },
    }
}

fn plain(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(whole) => {
            Value::Integer(i128::from_str_radix(whole.as_str(), whole.radix()).ok()?)
        }
        DeValue::Float(float) => Value::Float(float.as_str().parse().ok()?),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(time) => Value::Text(time.to_string()),
        DeValue::Array(list) => Value::List(
            list.iter()
                .map(|value| plain(value.get_ref()))
                .collect::<Option<_>>()?,
        ),
        DeValue::Table(table) => {
            let entries = table.iter();
            let entries = entries
                .map(|(key, value)| Some((key.get_ref().to_string(), plain(value.get_ref())?)));
            Value::Table(entries.collect::<Option<_>>()?)
        }
    })
}
