//! Schemas in the style of the libraries that write them, with what must happen to each.
//!
//! A file has a list of schemas. `expect` is `taken`, or the places of all notes, or the place of
//! the refusal. `yes` and `no` are values that are answers, or are not, with their properties in
//! the order of the schema.

use serde_json::Value;

use super::{constraint, takes};

const FILES: [(&str, &str); 7] = [
    ("pydantic", include_str!("corpus/pydantic.json")),
    ("zod3", include_str!("corpus/zod3.json")),
    ("zod4", include_str!("corpus/zod4.json")),
    ("schemars", include_str!("corpus/schemars.json")),
    ("openapi", include_str!("corpus/openapi.json")),
    ("openai", include_str!("corpus/openai.json")),
    ("mcp", include_str!("corpus/mcp.json")),
];

#[derive(serde::Deserialize)]
struct Entry {
    name: String,
    schema: Value,
    expect: Expect,
    #[serde(default)]
    yes: Vec<Value>,
    #[serde(default)]
    no: Vec<Value>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expect {
    Taken,
    Noted(Vec<String>),
    Refused(String),
}

/// The place at the beginning of a note or a refusal.
fn place(text: &str) -> &str {
    let place = text
        .strip_prefix('`')
        .and_then(|text| text.split_once("`: "));
    place.map_or("", |(place, _)| place)
}

#[test]
fn schemas_of_libraries_are_taken_noted_or_refused_at_their_place() {
    let mut count = 0;
    let mut wrong = Vec::new();
    for (file, text) in FILES {
        let entries: Vec<Entry> = serde_json::from_str(text).unwrap();
        for entry in entries {
            count += 1;
            let name = format!("{file}: {}", entry.name);
            let taken = constraint(&entry.schema);
            let notes = taken.as_ref().map(|taken| taken.notes().to_vec());
            let places = notes.clone().map(|notes| {
                notes
                    .iter()
                    .map(|note| place(note).to_owned())
                    .collect::<Vec<_>>()
            });
            let is_expected = match (&entry.expect, &places) {
                (Expect::Taken, Ok(places)) => places.is_empty(),
                (Expect::Noted(expected), Ok(places)) => expected == places,
                (Expect::Refused(expected), Err(reason)) => {
                    place(reason) == expected && !reason.contains('\n')
                }
                _ => false,
            };
            if !is_expected {
                wrong.push(format!("{name}: {notes:?}"));
                continue;
            }
            if taken.is_err() {
                continue;
            }
            for (values, expected) in [(&entry.yes, true), (&entry.no, false)] {
                for value in values {
                    if takes(&entry.schema, &value.to_string()) != expected {
                        wrong.push(format!("{name}: {value} is {expected}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 60, "{count} schemas");
}
