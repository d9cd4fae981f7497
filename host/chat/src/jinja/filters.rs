//! Jinja's filters that the engine lacks, or that do otherwise in Python.

use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, State, Value};

use super::arguments::{named, size, text, truth};
use super::methods;
use super::number::fraction;
use super::printf;
use super::text::text as text_of;
use super::values::{ensure, is_data, refused};

/// Adds the filters to the environment.
pub(super) fn install(environment: &mut Environment<'static>) {
    environment.add_filter("attr", attr);
    environment.add_filter("center", center);
    environment.add_filter("default", default);
    environment.add_filter("d", default);
    environment.add_filter("float", float);
    environment.add_filter("indent", indent);
    environment.add_filter("int", int);
    environment.add_filter("format", printf::format_filter);
    environment.add_filter("string", |value: &Value| match value.kind() {
        ValueKind::String => value.clone(),
        _ => Value::from(text_of(value)),
    });
    for name in ["e", "escape"] {
        environment.add_filter(name, |value: &Value| escaped(&text_of(value)));
    }
    // Python breaks its lines at 80 columns.
    environment.remove_filter("pprint");
    environment.add_filter("truncate", truncate);
    environment.add_filter("wordcount", |value: &Value| words(&text_of(value)).count());
}

/// Python looks for an attribute, which a dictionary's keys are not.
fn attr(value: &Value, name: &str) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Map if is_data(value) => Ok(Value::UNDEFINED),
        _ => value.get_attr(name),
    }
}

fn default(value: &Value, arguments: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let arguments = arguments.into_values();
    let [other, boolean] = named(&arguments, ["default_value", "boolean"])?;
    let is_missing = value.is_undefined() || (truth(boolean.as_ref()) && !value.is_true());
    Ok(match is_missing {
        true => other.unwrap_or_else(|| Value::from("")),
        false => value.clone(),
    })
}

fn float(value: &Value, arguments: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let arguments = arguments.into_values();
    let [default] = named(&arguments, ["default"])?;
    let number = match value.as_str() {
        Some(text) => read_fraction(text),
        None if value.kind() == ValueKind::Bool => Some(u8::from(value.is_true()).into()),
        None => f64::try_from(value.clone()).ok(),
    };
    let default = || default.unwrap_or_else(|| Value::from(0.0));
    Ok(number.map_or_else(default, Value::from))
}

fn int(value: &Value, arguments: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let arguments = arguments.into_values();
    let [default, base] = named(&arguments, ["default", "base"])?;
    let base = u32::try_from(size(base.as_ref(), 10)?).ok();
    let base = base.filter(|base| (2..=36).contains(base));
    let base = base.ok_or_else(|| refused("int() needs a base from 2 to 36"))?;
    let number = match (value.as_str(), fraction(value)) {
        (Some(text), _) => {
            let text = text.trim().replace('_', "");
            let cut = |number: f64| cut(number).map(Value::from);
            let whole = i128::from_str_radix(without_prefix(&text, base), base).ok();
            whole
                .map(Value::from)
                .or_else(|| cut(read_fraction(&text)?))
        }
        (None, Some(number)) => cut(number).map(Value::from),
        (None, None) if value.kind() == ValueKind::Bool => {
            Some(Value::from(u8::from(value.is_true())))
        }
        (None, None) => value.is_integer().then(|| value.clone()),
    };
    Ok(number.unwrap_or_else(|| default.unwrap_or_else(|| Value::from(0))))
}

/// The digits after `0x`, `0o` or `0b`, if that is the base.
fn without_prefix(text: &str, base: u32) -> &str {
    let prefixes = match base {
        2 => ["0b", "0B"],
        8 => ["0o", "0O"],
        16 => ["0x", "0X"],
        _ => return text,
    };
    let rest = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix));
    rest.unwrap_or(text)
}

fn read_fraction(text: &str) -> Option<f64> {
    text.trim().replace('_', "").parse().ok()
}

/// The whole part of a number.
#[expect(clippy::cast_possible_truncation, reason = "it is within the range")]
fn cut(number: f64) -> Option<i128> {
    (number.abs() < 1e38).then_some(number as i128)
}

/// The lines of a text, each but the first with more before it.
fn indent(state: &State, value: &Value, arguments: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let arguments = arguments.into_values();
    let [width, first, blank] = named(&arguments, ["width", "first", "blank"])?;
    let (first, blank) = (truth(first.as_ref()), truth(blank.as_ref()));
    let margin = match width.as_ref().map(|width| (width, width.as_str())) {
        Some((_, Some(margin))) => margin.to_owned(),
        Some((width, None)) => {
            let columns = size(Some(width), 4)?;
            ensure(state, columns)?;
            " ".repeat(columns)
        }
        None => " ".repeat(4),
    };
    let text = text_of(value);
    let count = text.matches('\n').count() + 1;
    ensure(
        state,
        count
            .saturating_mul(margin.len())
            .saturating_add(text.len()),
    )?;
    // Python adds a line end, and takes away the one that ends the last line.
    let mut written = String::with_capacity(text.len());
    for (at, line) in methods::lines(&(text + "\n"), false)
        .into_iter()
        .enumerate()
    {
        if at > 0 {
            written.push('\n');
        }
        let has_margin = match at {
            0 => first,
            _ => blank || !line.is_empty(),
        };
        if has_margin {
            written.push_str(&margin);
        }
        written.push_str(line);
    }
    Ok(Value::from(written))
}

fn center(state: &mut State, value: &Value, width: Option<usize>) -> Result<Value, Error> {
    let width = Value::from(width.unwrap_or(80));
    methods::call(state, &Value::from(text_of(value)), "center", &[width])
}

fn truncate(value: &Value, arguments: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let value = &*text_of(value);
    let arguments = arguments.into_values();
    let names = ["length", "killwords", "end", "leeway"];
    let [length, kills_words, end, leeway] = named(&arguments, names)?;
    let length = size(length.as_ref(), 255)?;
    let end = text(end.as_ref(), "...")?;
    let leeway = leeway.filter(|leeway| !leeway.is_none());
    let leeway = size(leeway.as_ref(), 5)?;
    let room = length.checked_sub(end.chars().count());
    let room = room.ok_or_else(|| refused("truncate is asked for less than its end takes"))?;
    if value.chars().count() <= length.saturating_add(leeway) {
        return Ok(Value::from(value));
    }
    let cut: String = value.chars().take(room).collect();
    let cut = match truth(kills_words.as_ref()) {
        true => cut.as_str(),
        false => cut
            .rsplit_once(' ')
            .map_or(cut.as_str(), |(before, _)| before),
    };
    Ok(Value::from([cut, end].concat()))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\'', "&#39;")
        .replace('"', "&#34;")
}

/// The words of a text, as Python's `\w+` finds them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| !word.is_empty())
}
