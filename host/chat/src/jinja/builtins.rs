//! Functions for templates in addition to the engine's own: those of transformers, and Python's
//! methods.

use jiff::Zoned;
use minijinja::{Environment, Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::json;
use super::values::{bytes_left, refused};

/// Maximum number of digits of a width or a precision.
const MAX_DIGITS: usize = 3;

/// Adds the functions to the environment.
pub(super) fn install(environment: &mut Environment<'static>) {
    environment.remove_global("debug");
    environment.add_function("raise_exception", |message: String| {
        Err::<Value, _>(refused(message))
    });
    environment.add_function("strftime_now", strftime_now);
    environment.add_filter("tojson", json::tojson);
    environment.set_unknown_method_callback(python_method);
}

fn python_method(
    state: &mut State,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    if let (Some(text), "format") = (value.as_str(), method) {
        check_format(state, text, arguments)?;
    }
    unknown_method_callback(state, value, method, arguments)
}

/// `str.format` would create its output before any limit applies.
fn check_format(state: &State, text: &str, values: &[Value]) -> Result<(), Error> {
    let digits = text
        .split(|c: char| !c.is_ascii_digit())
        .map(str::len)
        .max();
    if digits.unwrap_or(0) > MAX_DIGITS {
        let told = format!("it formats with a width of more than {MAX_DIGITS} digits");
        return Err(refused(told));
    }
    // The maximum length that each value could have in each place: an upper bound, not an exact
    // count.
    let lengths = values.iter().map(|value| value.to_string().len());
    let widest = lengths
        .max()
        .unwrap_or(0)
        .max(10_usize.pow(MAX_DIGITS as u32));
    let bytes = text.matches('{').count().saturating_mul(widest) as u64;
    if bytes > bytes_left(state) {
        return Err(ErrorKind::OutOfFuel.into());
    }
    Ok(())
}

/// The local time, as in transformers.
fn strftime_now(form: &str) -> Result<String, Error> {
    jiff::fmt::strtime::format(form, &Zoned::now())
        .map_err(|error| refused(format!("strftime_now: {error}")))
}
