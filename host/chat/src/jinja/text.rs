//! Values as texts, as Python's `str` and `repr` write them.

use std::fmt::Write as _;

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::number::{fraction, fraction_text};
use super::values::{charge, ensure, is_data, pairs};

/// A value as text.
pub(super) fn text(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None if !has_parts(value) => plain(value),
        None => {
            let mut written = String::new();
            write(value, &mut written);
            written
        }
    }
}

/// `left ~ right`.
pub(super) fn concat(state: &State, left: &Value, right: &Value) -> Result<Value, Error> {
    let length = |value: &Value| value.as_str().map_or(0, str::len);
    ensure(state, length(left).saturating_add(length(right)))?;
    let mut written = text(left);
    match right.as_str() {
        Some(right) => written.push_str(right),
        None => written.push_str(&text(right)),
    }
    let written = Value::from(written);
    charge(state, &written)?;
    Ok(written)
}

/// Whether it is a list or an object, whose parts are written one by one.
fn has_parts(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq) || (value.kind() == ValueKind::Map && is_data(value))
}

fn plain(value: &Value) -> String {
    match fraction(value) {
        Some(number) => fraction_text(number),
        None => value.to_string(),
    }
}

/// A part of a list or an object.
fn write(value: &Value, written: &mut String) {
    match value.kind() {
        ValueKind::Seq => {
            let is_tuple = value.is_tuple();
            let mut count = 0;
            written.push(if is_tuple { '(' } else { '[' });
            for item in value.try_iter().into_iter().flatten() {
                if count > 0 {
                    written.push_str(", ");
                }
                write(&item, written);
                count += 1;
            }
            if is_tuple && count == 1 {
                written.push(',');
            }
            written.push(if is_tuple { ')' } else { ']' });
        }
        ValueKind::Map if is_data(value) => {
            written.push('{');
            for (at, (key, value)) in pairs(value).enumerate() {
                if at > 0 {
                    written.push_str(", ");
                }
                write(&key, written);
                written.push_str(": ");
                write(&value, written);
            }
            written.push('}');
        }
        ValueKind::Undefined => written.push_str("Undefined"),
        ValueKind::Number => written.push_str(&plain(value)),
        _ => {
            // Writing to a text can't fail.
            let _ = write!(written, "{value:?}");
        }
    }
}
