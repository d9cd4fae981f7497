//! The common form of both kinds of documents: keys with values, in the order of the document,
//! duplicates included.

use std::fmt;

use crate::value::Value;

/// A key and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The key as it was written.
    pub(super) key: String,
    /// Where the key begins, in bytes of the document.
    pub(super) at: usize,
    /// Where the value begins.
    pub(super) value_at: usize,
    /// Where the items begin, if the value is a list.
    pub(super) items_at: Vec<usize>,
    pub(super) node: Node,
}

/// A value, or a table that may be a section, a group or a value.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Table(Vec<Entry>),
    Value(Value),
    /// A value that cannot be read, and why.
    Broken(String),
}

impl Node {
    /// The value. A table is a value too.
    pub(super) fn value(&self) -> Result<Value, String> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Broken(reason) => Err(reason.clone()),
            Self::Table(entries) => {
                let entries = entries
                    .iter()
                    .map(|entry| Ok((entry.key.clone(), entry.node.value()?)));
                Ok(Value::Table(entries.collect::<Result<_, String>>()?))
            }
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(_) => f.write_str("a table"),
            Self::Value(value) => write!(f, "{value}"),
            Self::Broken(reason) => f.write_str(reason),
        }
    }
}

/// A document that cannot be read.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) reason: String,
    pub(super) at: Option<usize>,
}
