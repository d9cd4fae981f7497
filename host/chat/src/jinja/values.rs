//! The values of a template: how they are made of a guest's data, and their limits (depth, size,
//! and no cycles).

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value};

use super::list;
use super::number::{is_large, whole};
use crate::data::Data;

/// Maximum nesting of lists and objects. Messages and tools have fewer than 140 levels, because
/// JSON of more than 128 is not read.
const MAX_DEPTH: usize = 200;

/// Bytes per unit of fuel.
const BYTES_PER_FUEL: u64 = 64;

/// Name of the variable that says how much fuel a byte costs, in units of the engine's own price.
/// Templates can neither read nor set it, because names have no spaces.
pub(super) const BYTE_PRICE: &str = "byte price";

/// A guest's data as a value of the engine.
pub(super) fn of(data: &Data) -> Value {
    match data {
        Data::Null => Value::from(()),
        Data::Bool(is) => Value::from(*is),
        Data::Whole(digits) => whole(digits),
        Data::Fraction(number) => Value::from(*number),
        Data::Text(text) => Value::from(text.as_str()),
        Data::List(list) => Value::from(list.iter().map(of).collect::<Vec<Value>>()),
        Data::Object(object) => {
            Value::from_pairs(object.iter().map(|(key, value)| (key.as_str(), of(value))))
        }
    }
}

/// As [`checked`], for templates whose lists can grow.
pub(super) fn checked_growing(state: &State, value: Value) -> Result<Value, Error> {
    let value = checked(state, value)?;
    match is_data(&value) {
        true => list::growing(state, value),
        false => Ok(value),
    }
}

/// Turns a value that a step created into one that may be kept: without lazy parts, and not nested
/// too deeply.
pub(super) fn checked(state: &State, value: Value) -> Result<Value, Error> {
    charge(state, &value)?;
    // A chain of lazy values is as deep as it is long.
    let value = match value.kind() {
        ValueKind::Iterable => {
            let mut items = Vec::new();
            for item in value.try_iter()? {
                state.consume_fuel(1)?;
                items.push(item);
            }
            Value::from(items)
        }
        _ => value,
    };
    match value.kind() {
        ValueKind::Map if is_namespace(&value) => {
            let mut bytes = 0;
            for (_, value) in pairs(&value) {
                weigh(state, &value, 1, &mut bytes)?;
            }
        }
        ValueKind::Seq | ValueKind::Map if is_data(&value) => weigh(state, &value, 0, &mut 0)?,
        _ => {}
    }
    Ok(value)
}

/// Checks a value that is put into a namespace. Only data is allowed, because a namespace that
/// contains itself would be infinite.
pub(super) fn kept(state: &State, value: Value) -> Result<Value, Error> {
    if !is_data(&value) {
        return Err(refused(
            "it puts into a namespace what is no text, number, list or object",
        ));
    }
    checked(state, value)
}

/// Bytes for which the rest of the fuel pays.
pub(super) fn bytes_left(state: &State) -> u64 {
    let (_, fuel) = state.fuel_levels().unwrap_or_default();
    fuel.saturating_mul(BYTES_PER_FUEL) / price(state)
}

/// Fails if a text of this size is more than the template may still create.
pub(super) fn ensure(state: &State, bytes: usize) -> Result<(), Error> {
    match bytes as u64 > bytes_left(state) {
        true => Err(ErrorKind::OutOfFuel.into()),
        false => Ok(()),
    }
}

/// A long conversation has more fuel, because templates look back from each of its messages. That
/// fuel is not for bytes: they cost more in turn.
pub(super) fn charge(state: &State, value: &Value) -> Result<(), Error> {
    let bytes = match value.kind() {
        ValueKind::String => value.as_str().map_or(0, str::len) as u64,
        _ => return Ok(()),
    };
    match bytes / BYTES_PER_FUEL * (price(state) - 1) {
        0 => Ok(()),
        fuel => state.consume_fuel(fuel),
    }
}

fn price(state: &State) -> u64 {
    let price = state.lookup(BYTE_PRICE);
    price
        .and_then(|price| u64::try_from(price).ok())
        .unwrap_or(1)
        .max(1)
}

/// Adds the approximate size of a value as text. The same text may occur in it many times.
pub(super) fn weigh(
    state: &State,
    value: &Value,
    depth: usize,
    bytes: &mut u64,
) -> Result<(), Error> {
    state.consume_fuel(1)?;
    if depth > MAX_DEPTH {
        let told = format!("it puts values into each other, more than {MAX_DEPTH} deep");
        return Err(refused(told));
    }
    match value.kind() {
        ValueKind::String | ValueKind::Bytes => {
            let length = value.as_bytes().map_or(0, <[u8]>::len) as u64;
            *bytes = bytes.saturating_add(length);
            if *bytes > bytes_left(state) {
                return Err(ErrorKind::OutOfFuel.into());
            }
        }
        // A group of `groupby` makes its list anew each time.
        ValueKind::Seq | ValueKind::Iterable => {
            for item in value.try_iter()? {
                weigh(state, &item, depth + 1, bytes)?;
            }
        }
        ValueKind::Map if is_data(value) => {
            for (key, value) in pairs(value) {
                weigh(state, &key, depth + 1, bytes)?;
                weigh(state, &value, depth + 1, bytes)?;
            }
        }
        // A large number.
        ValueKind::Plain if is_data(value) => {}
        ValueKind::Map | ValueKind::Plain | ValueKind::Invalid => {
            return Err(refused("it puts into a list or object what is no data"));
        }
        _ => {}
    }
    Ok(())
}

pub(super) fn refused(told: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, told.into())
}

/// Whether it is the result of `namespace()`, the only value that can change and thus contain
/// itself.
fn is_namespace(value: &Value) -> bool {
    is_one_of(value, &["Namespace"])
}

/// Whether it is a finite value: nothing that can change, and nothing that refers to such a value.
pub(super) fn is_data(value: &Value) -> bool {
    let has_no_end = ["Namespace", "Macro", "Closure", "Loop"];
    (value.kind() != ValueKind::Plain || is_large(value)) && !is_one_of(value, &has_no_end)
}

/// Whether it can be called: a macro or a function.
pub(super) fn is_callable(value: &Value) -> bool {
    value.kind() == ValueKind::Undefined
        || is_one_of(value, &["Macro"])
        || (value.kind() == ValueKind::Plain && !is_large(value))
}

/// The engine's own types can only be recognised by their names; tests check these names.
fn is_one_of(value: &Value, names: &[&str]) -> bool {
    let name = value.as_object().map(|object| object.type_name());
    let name = name.and_then(|name| name.rsplit("::").next());
    name.is_some_and(|name| names.contains(&name))
}

pub(super) fn pairs(value: &Value) -> impl Iterator<Item = (Value, Value)> {
    let pairs = value.as_object().and_then(|object| object.try_iter_pairs());
    pairs.into_iter().flatten()
}
