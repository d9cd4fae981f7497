//! What templates find in addition to the engine's own functions, filters and tests, or in their
//! place: transformers' functions, and what Jinja's own do in Python.

use jiff::Zoned;
use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, Output, State, Value, escape_formatter};
use minijinja_contrib::globals::{cycler, joiner};

use super::number::is_large;
use super::strftime::strftime;
use super::text::text;
use super::values::{ensure, is_callable, refused};
use super::{Bounds, filters, json, methods};

/// Adds everything to the environment.
pub(super) fn install(environment: &mut Environment<'static>, bounds: &Bounds) {
    environment.remove_global("debug");
    environment.add_function("raise_exception", |message: String| {
        Err::<Value, _>(refused(message))
    });
    let now = bounds.now.clone();
    environment.add_function("strftime_now", move |form: &str| match &now {
        Some(now) => strftime(form, now),
        None => strftime(form, &Zoned::now()),
    });
    environment.add_function("joiner", joiner);
    environment.add_function("cycler", |items: Rest<Value>| cycler(items.0));
    let mark = bounds.mark;
    environment.add_filter(
        "tojson",
        move |state: &State, value: &Value, options: Rest<ValueOrKwargs>| {
            json::tojson(state, value, options, mark)
        },
    );
    environment.add_filter("from_json", json::from_json);
    environment.add_function("from_json", json::from_json);
    filters::install(environment);
    environment.add_test("iterable", is_iterable);
    environment.add_test("sequence", is_sequence);
    environment.add_test("callable", is_callable);
    environment.add_test("number", |value: &Value| {
        matches!(value.kind(), ValueKind::Number | ValueKind::Bool) || is_large(value)
    });
    environment.add_test("integer", |value: &Value| {
        value.is_integer() || is_large(value)
    });
    environment.set_unknown_method_callback(methods::call);
    environment.set_formatter(write);
}

/// Writes a value into the prompt.
fn write(output: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    let written = match value.kind() {
        ValueKind::Number => text(value),
        ValueKind::Seq | ValueKind::Map => {
            let written = text(value);
            ensure(state, written.len())?;
            written
        }
        _ => return escape_formatter(output, state, value),
    };
    let written = output.write_str(&written);
    written.map_err(|_| refused("the prompt can't be written"))
}

/// In Python, everything that has `__iter__`.
fn is_iterable(value: &Value) -> bool {
    is_sequence(value) || value.kind() == ValueKind::Iterable
}

/// In Python, everything that has a length and items.
fn is_sequence(value: &Value) -> bool {
    matches!(
        value.kind(),
        ValueKind::Undefined | ValueKind::String | ValueKind::Seq | ValueKind::Map
    )
}
