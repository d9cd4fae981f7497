//! `tojson` and `from_json`: Python's `json.dumps`, with the options that transformers passes on,
//! and `json.loads`.

use minijinja::value::{Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Error, ErrorKind, State};

use super::arguments::{named, text, truth};
use super::number::{fraction, fraction_text, is_large};
use super::values::{bytes_left, pairs, refused};
use crate::data::Data;

/// Maximum indentation. The template chooses it, and it is written for every line.
const MAX_INDENT: usize = 16;

/// How JSON is written.
struct Form<'a> {
    ascii: bool,
    sorted: bool,
    indent: Option<String>,
    comma: &'a str,
    colon: &'a str,
    /// The character that does not count, and is written as it is.
    mark: Option<char>,
}

/// The filter `tojson`.
pub(super) fn tojson(
    state: &State,
    value: &Value,
    options: Rest<ValueOrKwargs>,
    mark: Option<char>,
) -> Result<Value, Error> {
    let options = options.into_values();
    let names = ["ensure_ascii", "indent", "separators", "sort_keys"];
    let [ascii, indent, separators, sorted] = named(&options, names)?;
    let indent = indent
        .filter(|indent| !indent.is_none())
        .map(|indent| indentation(&indent));
    let indent = indent.transpose()?;
    let pair = match separators.filter(|separators| !separators.is_none()) {
        Some(pair) => Some((pair.get_item_by_index(0)?, pair.get_item_by_index(1)?)),
        None => None,
    };
    let form = Form {
        ascii: truth(ascii.as_ref()),
        sorted: truth(sorted.as_ref()),
        comma: match &pair {
            Some((comma, _)) => text(Some(comma), "")?,
            None if indent.is_some() => ",",
            None => ", ",
        },
        colon: match &pair {
            Some((_, colon)) => text(Some(colon), "")?,
            None => ": ",
        },
        indent,
        mark,
    };
    let mut json = Text {
        written: String::new(),
        most: bytes_left(state),
    };
    form.write(value, 0, &mut json)?;
    Ok(Value::from(json.written))
}

/// The filter `from_json`, which llama.cpp adds to Jinja.
pub(super) fn from_json(text: &str) -> Result<Value, Error> {
    let data = Data::read(text).map_err(|error| refused(format!("from_json: {error}")))?;
    Ok(super::values::of(&data))
}

/// JSON as `tojson` writes it without options, unless it contains what JSON does not know.
pub(crate) fn json_text(data: &Data) -> Option<String> {
    let form = Form {
        ascii: false,
        sorted: false,
        indent: None,
        comma: ", ",
        colon: ": ",
        mark: None,
    };
    let mut json = Text {
        written: String::new(),
        most: u64::MAX,
    };
    form.write(&super::values::of(data), 0, &mut json).ok()?;
    Some(json.written)
}

/// One level of the indentation: a number of spaces, or a text.
fn indentation(given: &Value) -> Result<String, Error> {
    let one = match given.as_str() {
        Some(text) => text.to_owned(),
        None => {
            let columns = i64::try_from(given.clone())?;
            let columns = usize::try_from(columns.max(0)).unwrap_or(usize::MAX);
            " ".repeat(columns.min(MAX_INDENT + 1))
        }
    };
    if one.len() > MAX_INDENT {
        return Err(refused(format!(
            "tojson is asked for an indentation of {given}, {MAX_INDENT} at most are made"
        )));
    }
    Ok(one)
}

impl Form<'_> {
    fn write(&self, value: &Value, depth: usize, json: &mut Text) -> Result<(), Error> {
        match value.kind() {
            ValueKind::None => json.push("null"),
            ValueKind::Bool => json.push(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => json.push(&number(value)),
            ValueKind::String => self.string(value.as_str().unwrap_or_default(), json),
            ValueKind::Seq | ValueKind::Iterable => self.list(value, depth, json),
            ValueKind::Map => self.object(value, depth, json),
            ValueKind::Plain if is_large(value) => json.push(&value.to_string()),
            kind => Err(Error::new(
                ErrorKind::BadSerialization,
                format!("a value of the kind `{kind}` can't be written as JSON"),
            )),
        }
    }

    fn list(&self, value: &Value, depth: usize, json: &mut Text) -> Result<(), Error> {
        json.push("[")?;
        let mut is_empty = true;
        for item in value.try_iter()? {
            self.separate(is_empty, depth, json)?;
            is_empty = false;
            self.write(&item, depth + 1, json)?;
        }
        self.close(is_empty, depth, json)?;
        json.push("]")
    }

    fn object(&self, value: &Value, depth: usize, json: &mut Text) -> Result<(), Error> {
        let mut pairs: Vec<(Value, Value)> = pairs(value).collect();
        if self.sorted {
            pairs.sort_by_cached_key(|(key, _)| self.without_mark(&key.to_string()));
        }
        json.push("{")?;
        for (at, (key, value)) in pairs.iter().enumerate() {
            self.separate(at == 0, depth, json)?;
            self.string(&written_key(key)?, json)?;
            json.push(self.colon)?;
            self.write(value, depth + 1, json)?;
        }
        self.close(pairs.is_empty(), depth, json)?;
        json.push("}")
    }

    fn without_mark(&self, key: &str) -> String {
        self.mark
            .map_or_else(|| key.to_owned(), |mark| key.replace(mark, ""))
    }

    /// What stands before an item or a key.
    fn separate(&self, is_first: bool, depth: usize, json: &mut Text) -> Result<(), Error> {
        if !is_first {
            json.push(self.comma)?;
        }
        self.line(depth + 1, json)
    }

    fn close(&self, is_empty: bool, depth: usize, json: &mut Text) -> Result<(), Error> {
        match is_empty {
            true => Ok(()),
            false => self.line(depth, json),
        }
    }

    fn line(&self, depth: usize, json: &mut Text) -> Result<(), Error> {
        let Some(indent) = &self.indent else {
            return Ok(());
        };
        json.push("\n")?;
        (0..depth).try_for_each(|_| json.push(indent))
    }

    fn string(&self, text: &str, json: &mut Text) -> Result<(), Error> {
        json.push("\"")?;
        let mut from = 0;
        for (at, c) in text.char_indices() {
            let escaped = match c {
                '"' => "\\\"".to_owned(),
                '\\' => "\\\\".to_owned(),
                '\n' => "\\n".to_owned(),
                '\r' => "\\r".to_owned(),
                '\t' => "\\t".to_owned(),
                '\u{8}' => "\\b".to_owned(),
                '\u{c}' => "\\f".to_owned(),
                c if Some(c) == self.mark => continue,
                c if c < ' ' || (self.ascii && !(' '..='~').contains(&c)) => {
                    let mut units = [0; 2];
                    let units = c.encode_utf16(&mut units).iter();
                    units.map(|unit| format!("\\u{unit:04x}")).collect()
                }
                _ => continue,
            };
            json.push(text.get(from..at).unwrap_or_default())?;
            json.push(&escaped)?;
            from = at + c.len_utf8();
        }
        json.push(text.get(from..).unwrap_or_default())?;
        json.push("\"")
    }
}

/// A number as Python writes it in JSON.
fn number(value: &Value) -> String {
    match fraction(value) {
        Some(number) if number.is_nan() => "NaN".to_owned(),
        Some(number) if number.is_infinite() && number > 0.0 => "Infinity".to_owned(),
        Some(number) if number.is_infinite() => "-Infinity".to_owned(),
        Some(number) => fraction_text(number),
        None => value.to_string(),
    }
}

fn written_key(key: &Value) -> Result<String, Error> {
    match key.kind() {
        ValueKind::String => Ok(key.as_str().unwrap_or_default().to_owned()),
        ValueKind::None => Ok("null".to_owned()),
        ValueKind::Bool => Ok(if key.is_true() { "true" } else { "false" }.to_owned()),
        ValueKind::Number => Ok(number(key)),
        kind => Err(Error::new(
            ErrorKind::BadSerialization,
            format!("a key of the kind `{kind}` can't be written as JSON"),
        )),
    }
}

/// The JSON text so far.
struct Text {
    written: String,
    most: u64,
}

impl Text {
    fn push(&mut self, text: &str) -> Result<(), Error> {
        if (self.written.len() + text.len()) as u64 > self.most {
            return Err(ErrorKind::OutOfFuel.into());
        }
        self.written.push_str(text);
        Ok(())
    }
}
