//! Lists that grow: `append`, which llama.cpp's engine has and some published templates use.
//!
//! The engine's lists cannot change. If a template calls `append`, each list that it makes becomes
//! one that can. A list within another value is a copy that cannot grow, so no list contains
//! itself.

use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::{Enumerator, Object, ObjectRepr, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

use super::values::{bytes_left, pairs, refused, weigh};

/// A list that can grow.
#[derive(Debug, Default)]
struct GrowingList(Mutex<Items>);

#[derive(Debug, Default)]
struct Items {
    values: Vec<Value>,
    /// The approximate size of the values as text.
    bytes: u64,
}

impl GrowingList {
    fn with<T>(&self, act: impl FnOnce(&mut Items) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Object for GrowingList {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let at = key.as_usize()?;
        self.with(|items| items.values.get(at).cloned())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.with(|items| items.values.len()))
    }
}

/// A list that can grow, if the value is a list. A list in any other value becomes a copy.
pub(super) fn growing(state: &State, value: Value) -> Result<Value, Error> {
    if is_growing(&value) || !matches!(value.kind(), ValueKind::Seq | ValueKind::Map) {
        return Ok(value);
    }
    let is_list = value.downcast_object_ref::<Vec<Value>>().is_some();
    if !is_list {
        return if has_growing(state, &value)? {
            frozen(state, &value)
        } else {
            Ok(value)
        };
    }
    let mut items = Items::default();
    for item in value.try_iter()? {
        let item = match has_growing(state, &item)? {
            true => frozen(state, &item)?,
            false => item,
        };
        weigh(state, &item, 1, &mut items.bytes)?;
        items.values.push(item);
    }
    Ok(Value::from_object(GrowingList(Mutex::new(items))))
}

/// Calls a method that changes a list, if it is one.
pub(super) fn call(
    state: &State,
    list: &Value,
    method: &str,
    arguments: &[Value],
) -> Option<Result<Value, Error>> {
    if method != "append" {
        return None;
    }
    let Some(of) = list.downcast_object_ref::<GrowingList>() else {
        let is_list = list.kind() == ValueKind::Seq;
        let told = "it appends to a list that is within another value, or that it did not make";
        return is_list.then(|| Err(refused(told)));
    };
    Some(append(state, of, arguments))
}

fn append(state: &State, to: &GrowingList, arguments: &[Value]) -> Result<Value, Error> {
    let [item] = arguments else {
        let told = "append takes one argument";
        return Err(Error::new(ErrorKind::MissingArgument, told));
    };
    let mut bytes = to.with(|items| items.bytes);
    weigh(state, item, 1, &mut bytes)?;
    let item = frozen(state, item)?;
    if bytes > bytes_left(state) {
        return Err(ErrorKind::OutOfFuel.into());
    }
    to.with(|items| {
        items.bytes = bytes;
        items.values.push(item);
    });
    Ok(Value::from(()))
}

fn is_growing(value: &Value) -> bool {
    value.downcast_object_ref::<GrowingList>().is_some()
}

/// Whether a list that can grow is in it.
fn has_growing(state: &State, value: &Value) -> Result<bool, Error> {
    state.consume_fuel(1)?;
    if is_growing(value) {
        return Ok(true);
    }
    match value.kind() {
        ValueKind::Seq => {
            for item in value.try_iter()? {
                if has_growing(state, &item)? {
                    return Ok(true);
                }
            }
        }
        ValueKind::Map => {
            for (_, item) in pairs(value) {
                if has_growing(state, &item)? {
                    return Ok(true);
                }
            }
        }
        _ => {}
    }
    Ok(false)
}

/// A copy in which no list can grow.
fn frozen(state: &State, value: &Value) -> Result<Value, Error> {
    if !has_growing(state, value)? {
        return Ok(value.clone());
    }
    state.consume_fuel(1)?;
    match value.kind() {
        ValueKind::Seq => {
            let items = value.try_iter()?.map(|item| frozen(state, &item));
            let items: Vec<Value> = items.collect::<Result<_, _>>()?;
            Ok(match value.is_tuple() {
                true => Value::from(minijinja::value::Tuple::from(items)),
                false => Value::from(items),
            })
        }
        ValueKind::Map => {
            let copy = pairs(value).map(|(key, value)| Ok((key, frozen(state, &value)?)));
            let copy: Vec<(Value, Value)> = copy.collect::<Result<_, Error>>()?;
            Ok(Value::from_pairs(copy))
        }
        _ => Ok(value.clone()),
    }
}
