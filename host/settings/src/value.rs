//! A value of a document, JSON or TOML, before it is read as a setting.

use std::fmt;

/// A value of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// JSON's null, which counts as unset.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// May be infinite or not a number: TOML allows both.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A table, in the order of the document.
    Table(Vec<(String, Value)>),
}

/// Maximum number of characters of a value in a message, because a guest chooses its length.
const SHOWN: usize = 60;

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(text) => match text.char_indices().nth(SHOWN) {
                Some((end, _)) => write!(f, "{:?} and more", text.get(..end).unwrap_or_default()),
                None => write!(f, "{text:?}"),
            },
            Self::List(list) => write!(f, "a list of {}", list.len()),
            Self::Table(_) => f.write_str("a table"),
        }
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        use serde_json::Value as Json;

        match value {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(value),
            Json::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(whole), _) => Self::Integer(whole.into()),
                (None, Some(whole)) => Self::Integer(whole.into()),
                (None, None) => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::Text(text),
            Json::Array(list) => Self::List(list.into_iter().map(Self::from).collect()),
            Json::Object(table) => {
                let entries = table.into_iter();
                Self::Table(entries.map(|(key, value)| (key, value.into())).collect())
            }
        }
    }
}

impl Value {
    /// The value as JSON. Returns `None` if it contains a number that JSON cannot express.
    #[must_use]
    pub fn to_json(&self) -> Option<serde_json::Value> {
        use serde_json::Value as Json;

        Some(match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Integer(whole) => Json::Number(serde_json::Number::from_i128(*whole)?),
            Self::Float(float) => Json::Number(serde_json::Number::from_f64(*float)?),
            Self::Text(text) => Json::String(text.clone()),
            Self::List(list) => Json::Array(list.iter().map(Self::to_json).collect::<Option<_>>()?),
            Self::Table(table) => {
                let entries = table.iter();
                let entries = entries.map(|(key, value)| Some((key.clone(), value.to_json()?)));
                Json::Object(entries.collect::<Option<_>>()?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_as_it_was_written_and_a_long_text_in_part() {
        let text = |count| Value::Text("\u{e9}".repeat(count));
        for (value, shown) in [
            (Value::Null, "null".to_owned()),
            (Value::Bool(true), "true".to_owned()),
            (Value::Integer(-7), "-7".to_owned()),
            (Value::Float(2.0), "2.0".to_owned()),
            (text(60), format!("\"{}\"", "\u{e9}".repeat(60))),
            (text(61), format!("\"{}\" and more", "\u{e9}".repeat(60))),
            (Value::List(vec![Value::Null; 3]), "a list of 3".to_owned()),
            (Value::Table(Vec::new()), "a table".to_owned()),
        ] {
            assert_eq!(value.to_string(), shown);
        }
    }

    #[test]
    fn a_value_that_json_can_express_is_the_same_afterwards() {
        let text = r#"{"a":[null,true,-1,18446744073709551615,1.5,"x"],"b":{}}"#;
        let json: serde_json::Value = serde_json::from_str(text).unwrap();
        let value = Value::from(json.clone());
        assert_eq!(value.to_json(), Some(json));
        let Value::Table(table) = &value else {
            panic!("{value}");
        };
        let Value::List(list) = &table[0].1 else {
            panic!("{value}");
        };
        assert_eq!(list[3], Value::Integer(u64::MAX.into()));
        for no_json in [Value::Float(f64::NAN), Value::Integer(i128::MAX)] {
            let list = Value::List(vec![no_json.clone()]);
            let table = Value::Table(vec![("a".to_owned(), no_json.clone())]);
            for value in [no_json, list, table] {
                assert_eq!(value.to_json(), None, "{value}");
            }
        }
    }
}
