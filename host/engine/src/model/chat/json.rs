//! `tojson` as templates expect it, which is Python's `json.dumps`: spaces after colons and commas, nothing escaped for HTML.

use std::io;

use minijinja::value::{Kwargs, Value, ViaDeserialize};
use minijinja::{Error, ErrorKind};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

/// Columns of an indentation at most: the template chooses it, and it is written for every line.
const MAX_INDENT: usize = 16;

/// The filter.
pub(super) fn tojson(
    value: ViaDeserialize<serde_json::Value>,
    options: Kwargs,
) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    // Python's other options change nothing that a template of a model relies on.
    for name in ["ensure_ascii", "sort_keys", "separators"] {
        let _: Option<Value> = options.get(name)?;
    }
    options.assert_all_used()?;
    let mut text = Vec::new();
    let done = match indent {
        Some(columns) if columns > MAX_INDENT => {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                format!(
                    "tojson is asked for an indentation of {columns}, {MAX_INDENT} at most are made"
                ),
            ));
        }
        Some(columns) => {
            let spaces = " ".repeat(columns);
            let formatter = PrettyFormatter::with_indent(spaces.as_bytes());
            value
                .0
                .serialize(&mut Serializer::with_formatter(&mut text, formatter))
        }
        None => value
            .0
            .serialize(&mut Serializer::with_formatter(&mut text, Spaced)),
    };
    done.map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
    Ok(Value::from_safe_string(
        String::from_utf8_lossy(&text).into_owned(),
    ))
}

/// JSON on one line, with a space after each colon and comma.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first {
            Ok(())
        } else {
            writer.write_all(b", ")
        }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first {
            Ok(())
        } else {
            writer.write_all(b", ")
        }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}
