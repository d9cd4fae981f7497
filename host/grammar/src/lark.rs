//! Refuses unsafe parts of a Lark grammar before llguidance reads it, and finds its JSON Schemas.
//!
//! Intersections (`&`) and complements (`~` before an item) of regular expressions can take
//! exponential time and memory within one step of llguidance, which its limits do not cover.
//! llguidance would read a `temperature`, but this engine would ignore it.

use serde_json::Value;

/// A Lark grammar without unsupported syntax.
#[derive(Debug)]
pub(super) struct Lark<'a> {
    /// The text before each schema, with the schema.
    pub(super) before: Vec<(&'a str, Schema<'a>)>,
    /// The text after the last one.
    pub(super) rest: &'a str,
}

/// A JSON Schema in a grammar: `%json` and a value.
#[derive(Debug)]
pub(super) struct Schema<'a> {
    pub(super) value: Value,
    /// Its text, with `%json`.
    pub(super) text: &'a str,
    /// Its line and column.
    pub(super) place: String,
}

/// Finds the schemas, and looks for unsupported syntax. llguidance itself reports other syntax
/// errors.
pub(super) fn read(text: &str) -> Result<Lark<'_>, String> {
    let mut before = Vec::new();
    // What follows the last schema begins here.
    let mut begin = 0;
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let at = text.len() - rest.len();
        let after = rest.get(next.len_utf8()..).unwrap_or_default();
        rest = match next {
            '"' => skip_quoted(after, '"'),
            '#' => skip_line(after),
            '/' if after.starts_with('/') => skip_line(after),
            '/' => skip_quoted(after, '/'),
            '<' => skip_special(after),
            'a'..='z' | 'A'..='Z' | '_' => {
                let (word, after) = word(rest);
                if word == "temperature" && after.trim_start().starts_with('=') {
                    return Err(unsupported(text, at, "`temperature`"));
                }
                after
            }
            '&' => return Err(unsupported(text, at, "an intersection (`&`)")),
            '~' if !is_repetition(after) => {
                return Err(unsupported(text, at, "a complement (`~`)"));
            }
            '%' => match after.strip_prefix("json") {
                Some(json) => {
                    let (value, after) = json_prefix(json)
                        .map_err(|error| at_place(text, at, &format!("`%json`: {error}")))?;
                    let end = text.len() - after.len();
                    let schema = Schema {
                        value,
                        text: text.get(at..end).unwrap_or_default(),
                        place: place(text, at),
                    };
                    before.push((text.get(begin..at).unwrap_or_default(), schema));
                    begin = end;
                    after
                }
                // Other values are JSON, too. The loop skips their strings.
                None => after,
            },
            _ => after,
        };
    }
    let rest = text.get(begin..).unwrap_or_default();
    Ok(Lark { before, rest })
}

/// `item ~ 3` and `item ~ 3..5` are repetitions.
fn is_repetition(after: &str) -> bool {
    let number = after.trim_start_matches([' ', '\t']);
    number.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-'))
}

/// The text after the next `end` without a backslash before it.
fn skip_quoted(text: &str, end: char) -> &str {
    let mut is_escaped = false;
    for (index, one) in text.char_indices() {
        if is_escaped {
            is_escaped = false;
        } else if one == '\\' {
            is_escaped = true;
        } else if one == end {
            return text.get(index + one.len_utf8()..).unwrap_or_default();
        }
    }
    ""
}

/// The text after a special token, such as `<|end|>`, which may contain any characters but these.
fn skip_special(text: &str) -> &str {
    let is_outside = |one: char| one == '<' || one == '>' || one.is_whitespace();
    match text.split_once(is_outside) {
        Some((name, after))
            if text
                .get(name.len()..)
                .is_some_and(|end| end.starts_with('>')) =>
        {
            after
        }
        Some(_) | None => text,
    }
}

/// The name at the beginning of the text, and the text after it.
fn word(text: &str) -> (&str, &str) {
    let is_part = |one: char| one.is_ascii_alphanumeric() || one == '_' || one == '-';
    text.split_at(text.find(|one| !is_part(one)).unwrap_or(text.len()))
}

fn skip_line(text: &str) -> &str {
    match text.find('\n') {
        Some(end) => text.get(end..).unwrap_or_default(),
        None => "",
    }
}

/// The JSON value at the beginning of the text, and the text after it.
fn json_prefix(text: &str) -> Result<(Value, &str), String> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    match values.next() {
        Some(Ok(value)) => Ok((value, text.get(values.byte_offset()..).unwrap_or_default())),
        // Its line and column count from here.
        Some(Err(error)) => Err(format!("a schema in JSON must follow: {error}")),
        None => Err("a schema in JSON must follow".to_owned()),
    }
}

fn unsupported(text: &str, at: usize, what: &str) -> String {
    at_place(text, at, &format!("{what} isn't supported, remove it"))
}

fn at_place(text: &str, at: usize, what: &str) -> String {
    format!("{}: {what}", place(text, at))
}

fn place(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    format!("line {line}, column {column}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_without_bounds_are_refused_where_they_stand() {
        for (text, place) in [
            ("start: A\nA: /a/ & /b/", "line 2, column 8"),
            ("start: ~\"a\"", "line 1, column 8"),
            ("start: %json {\"a\": \"&\"} & B", "line 1, column 25"),
            ("start: \"\\\"\" & A", "line 1, column 13"),
            ("start: x\nx[temperature = 0.5]: /a/", "line 2, column 3"),
            ("start: <|\"|> & \"\"", "line 1, column 14"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains(place), "{text}: {refused}");
        }
    }

    #[test]
    fn what_only_looks_like_them_is_taken() {
        for text in [
            "start: \"&\" \"~\" /[&~]/ \"a\" ~ 3 \"b\"~2..4",
            "// a & b\nstart: \"a\" # ~\n",
            "start: /a\\/&/ %json {\"const\": \"a & ~b\"}",
            "start: %regex {\"substring_words\": \"a & b\"}",
        ] {
            read(text).unwrap();
        }
    }

    #[test]
    fn schemas_within_a_grammar_are_found() {
        let text = "start: \"%json {}\" %json {\"const\": \"}\"} // %json\n x: %json\n true";
        let lark = read(text).unwrap();
        let found: Vec<(&str, &str, &str)> = lark
            .before
            .iter()
            .map(|(before, schema)| (*before, schema.text, schema.place.as_str()))
            .collect();
        let expected = [
            (
                "start: \"%json {}\" ",
                "%json {\"const\": \"}\"}",
                "line 1, column 19",
            ),
            (" // %json\n x: ", "%json\n true", "line 2, column 5"),
        ];
        assert_eq!(found, expected);
        assert_eq!(lark.rest, "");
        for wrong in [
            "start: %json",
            "start: %json {\"type\": }",
            "start: %jsonx {}",
        ] {
            let refused = read(wrong).unwrap_err();
            assert!(
                refused.starts_with("line 1, column 8: `%json`: a schema"),
                "{refused}"
            );
        }
    }
}
