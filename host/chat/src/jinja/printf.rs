//! Python's `%`: the rest of a division, or a text with its placeholders filled.

use minijinja::formatting::{FormatStyle, format};
use minijinja::value::{Kwargs, Rest, ValueKind, ValueOrKwargs};
use minijinja::{Error, State, Value};

use super::number::fraction;
use super::values::{ensure, pairs, refused};

/// Maximum number of digits of a width or a precision.
const MAX_DIGITS: usize = 3;

/// `left % right`.
pub(super) fn percent(state: &State, left: &Value, right: &Value) -> Result<Value, Error> {
    if let Some(text) = left.as_str() {
        return fill(state, text, right);
    }
    let is_number = |value: &Value| matches!(value.kind(), ValueKind::Number | ValueKind::Bool);
    if !is_number(left) || !is_number(right) {
        return Err(refused(format!(
            "it calculates {} % {}",
            left.kind(),
            right.kind()
        )));
    }
    if fraction(left).is_none() && fraction(right).is_none() {
        let (left, right) = (whole(left)?, whole(right)?);
        let rest = left.checked_rem(right);
        let rest = rest.ok_or_else(|| refused("it divides by zero"))?;
        // Python's result has the sign of the divisor.
        let is_other = rest != 0 && (rest < 0) != (right < 0);
        return Ok(Value::from(if is_other { rest + right } else { rest }));
    }
    let (left, right) = (any_fraction(left)?, any_fraction(right)?);
    if right == 0.0 {
        return Err(refused("it divides by zero"));
    }
    let rest = left % right;
    let is_other = rest != 0.0 && (rest < 0.0) != (right < 0.0);
    let rest = if is_other { rest + right } else { rest };
    Ok(Value::from(if rest == 0.0 {
        0.0_f64.copysign(right)
    } else {
        rest
    }))
}

fn whole(value: &Value) -> Result<i128, Error> {
    match value.kind() {
        ValueKind::Bool => Ok(value.is_true().into()),
        _ => i128::try_from(value.clone()),
    }
}

fn any_fraction(value: &Value) -> Result<f64, Error> {
    match value.kind() {
        ValueKind::Bool => Ok(u8::from(value.is_true()).into()),
        _ => f64::try_from(value.clone()),
    }
}

/// The filter `format`.
pub(super) fn format_filter(
    state: &State,
    text: &str,
    arguments: Rest<ValueOrKwargs>,
) -> Result<Value, Error> {
    filled(state, text, &arguments.into_values())
}

fn fill(state: &State, text: &str, with: &Value) -> Result<Value, Error> {
    let arguments: Vec<Value> = if with.is_tuple() {
        with.try_iter()?.collect()
    } else if with.kind() == ValueKind::Map && text.contains("%(") {
        let named = pairs(with).map(|(key, value)| (key.to_string(), value));
        vec![Value::from(named.collect::<Kwargs>())]
    } else {
        vec![with.clone()]
    };
    filled(state, text, &arguments)
}

fn filled(state: &State, text: &str, arguments: &[Value]) -> Result<Value, Error> {
    check(state, text, '%', arguments)?;
    let is_one = |value: &Value| value.is_kwargs() || value.kind() == ValueKind::Map;
    let is_mapping = arguments.len() == 1 && arguments.iter().all(is_one);
    let count = placeholders(text);
    if count < arguments.len() && !is_mapping {
        return Err(refused(format!(
            "it fills {} values into a text with {count} places",
            arguments.len()
        )));
    }
    format(FormatStyle::Printf, text, arguments).map(Value::from)
}

/// Number of places that a value fills.
fn placeholders(text: &str) -> usize {
    let mut count = 0;
    let mut signs = text.chars();
    while signs.by_ref().any(|c| c == '%') {
        let end = signs.find(|c| !matches!(c, '0'..='9' | '#' | '-' | ' ' | '+' | '.'));
        count += usize::from(end != Some('%'));
    }
    count
}

/// Formatting would create its output before any limit applies.
pub(super) fn check(state: &State, text: &str, sign: char, values: &[Value]) -> Result<(), Error> {
    let digits = text
        .split(|c: char| !c.is_ascii_digit())
        .map(str::len)
        .max();
    if digits.unwrap_or(0) > MAX_DIGITS || (sign == '%' && text.contains('*')) {
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
    ensure(state, text.matches(sign).count().saturating_mul(widest))
}
