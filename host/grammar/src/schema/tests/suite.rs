//! The official JSON-Schema-Test-Suite, in the version that the crate `json_schema_test_suite`
//! contains.
//!
//! A valid value must be an answer, an invalid one must not. A schema may be refused only for what
//! [`REFUSED`] lists. `MYNAH_SCHEMA_SUITE` names the folder `tests` of another version.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::decimal::Decimal;
use super::{constraint, takes};

const DRAFTS: [(&str, &str); 6] = [
    ("draft3", "http://json-schema.org/draft-03/schema#"),
    ("draft4", "http://json-schema.org/draft-04/schema#"),
    ("draft6", "http://json-schema.org/draft-06/schema#"),
    ("draft7", "http://json-schema.org/draft-07/schema#"),
    (
        "draft2019-09",
        "https://json-schema.org/draft/2019-09/schema",
    ),
    (
        "draft2020-12",
        "https://json-schema.org/draft/2020-12/schema",
    ),
];

/// Reasons for which schemas of the suite are refused.
const REFUSED: [&str; 23] = [
    // Keywords that can't be followed.
    "`contains` is not supported",
    "`if` is not supported",
    "`dependencies` is not supported",
    "`dependentRequired` is not supported",
    "`dependentSchemas` is not supported",
    "`unevaluatedItems` is not supported",
    "`$recursiveRef` is not supported",
    "`$dynamicRef` is not supported",
    "`not` is supported with",
    // Draft 3.
    "`extends` is not supported",
    "`disallow` is not supported",
    "`divisibleBy` is not supported",
    "it must be a list of names of properties, at the object",
    "`any` is no type",
    "`` is no type",
    "whole numbers can't be excluded",
    "`uniqueItems` is supported for few items",
    // Other documents, such as the schema of schemas.
    "does not fetch schemas",
    // Schemas that no value fits.
    "no text has this form",
    "no value fits",
    // References to themselves without a value between.
    "the schema refers to itself",
    // Divisors with too many states.
    "the digits of a divisor",
    "word boundaries are not supported",
];

/// Files about what the host follows otherwise on purpose: formats are followed, not annotations,
/// and 1.0 is written as 1.
const OTHERWISE: [&str; 2] = ["format.json", "zeroTerminatedFloats.json"];

/// Valid values that are no answers.
const NOT_ANSWERS: [&str; 10] = [
    // Of several alternatives that a value matches, only the properties of one count as evaluated.
    "unevaluatedProperties with anyOf\": \"when two match and has no unevaluated properties",
    // A dialect without `minimum`, which is read as 2020-12.
    "custom metaschema with with no validation vocabulary\": \"no validation: invalid number",
    // More digits than answers have.
    "bignum is a",
    "negative bignum is a",
    "valid if optional overflow handling is implemented",
    // What many readers refuse.
    "leap second",
    "case-insensitive",
    "email.json: \"validation of e-mail addresses\": \"a quoted string",
    "-address-literal after the @",
    // Draft 3 has no offset in `time`.
    "draft3/time.json",
];

/// Notes about what is followed with less than its meaning: more values are answers.
const NOTED: [&str; 2] = ["as `anyOf`", "has no effect"];

/// The folder with a folder for each draft.
fn folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("MYNAH_SCHEMA_SUITE") {
        return folder.into();
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = std::process::Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    // A build does not fetch a package whose code is not built.
    assert!(
        output.status.success(),
        "run `cargo fetch --locked`: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let own = packages
        .iter()
        .find(|package| package["name"] == "json_schema_test_suite");
    let manifest = own.unwrap()["manifest_path"].as_str().unwrap();
    let folder = Path::new(manifest).parent().unwrap();
    folder.join("path/to/JSON-Schema-Test-Suite/repository/tests")
}

/// A value as answers are written: numbers without an exponent, and the properties in any order.
fn spellings(value: &Value) -> Vec<String> {
    const MOST: usize = 48;
    match value {
        Value::Number(number) => vec![Decimal::of(number).text()],
        Value::Array(items) => {
            let mut all = vec!["[".to_owned()];
            for (index, item) in items.iter().enumerate() {
                let comma = if index > 0 { "," } else { "" };
                let items = spellings(item);
                all = all
                    .iter()
                    .flat_map(|before| items.iter().map(move |it| format!("{before}{comma}{it}")))
                    .take(MOST)
                    .collect();
            }
            all.into_iter().map(|text| text + "]").collect()
        }
        Value::Object(properties) => {
            // Each order of the properties, by insertion.
            let mut orders: Vec<Vec<(&String, &Value)>> = vec![Vec::new()];
            for property in properties {
                let mut longer = Vec::new();
                for order in &orders {
                    for place in (0..=order.len()).rev() {
                        let mut order = order.clone();
                        order.insert(place, property);
                        longer.push(order);
                    }
                }
                longer.truncate(MOST);
                orders = longer;
            }
            let mut all = Vec::new();
            for order in orders {
                let mut texts = vec!["{".to_owned()];
                for (index, (name, value)) in order.into_iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    let name = Value::from(name.as_str());
                    let values = spellings(value);
                    texts = texts
                        .iter()
                        .flat_map(|before| {
                            let name = &name;
                            values
                                .iter()
                                .map(move |it| format!("{before}{comma}{name}:{it}"))
                        })
                        .take(MOST)
                        .collect();
                }
                all.extend(texts.into_iter().map(|text| text + "}"));
            }
            all.truncate(MOST);
            all
        }
        Value::Null | Value::Bool(_) | Value::String(_) => vec![value.to_string()],
    }
}

#[derive(Default)]
struct Counts {
    schemas: usize,
    refused: BTreeMap<&'static str, usize>,
    values: usize,
    wrong: Vec<String>,
}

fn try_file(counts: &mut Counts, path: &Path, draft: &str, dialect: &str) {
    let groups: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let file = path.file_name().unwrap().to_string_lossy().into_owned();
    for group in groups {
        let mut schema = group["schema"].clone();
        if let Value::Object(object) = &mut schema {
            object.entry("$schema").or_insert_with(|| json!(dialect));
        }
        let name = format!("{draft}/{file}: {}", group["description"]);
        counts.schemas += 1;
        let tests = group["tests"].as_array().unwrap();
        let has_valid = tests.iter().any(|test| test["valid"] == true);
        let taken = match constraint(&schema) {
            Ok(taken) => taken,
            Err(reason) => {
                let known = REFUSED.iter().find(|known| reason.contains(**known));
                match known {
                    Some(known) if !(known.starts_with("no ") && has_valid) => {
                        *counts.refused.entry(known).or_default() += 1;
                    }
                    _ => counts.wrong.push(format!("{name}: refused: {reason}")),
                }
                continue;
            }
        };
        let mut notes = taken.notes().iter();
        let is_approximate = notes.any(|note| NOTED.iter().any(|noted| note.contains(noted)));
        for test in tests {
            counts.values += 1;
            let is_valid = test["valid"] == true;
            let is_taken = spellings(&test["data"])
                .iter()
                .any(|text| takes(&schema, text));
            if is_taken != is_valid && (is_valid || !is_approximate) {
                let (what, data) = (&test["description"], &test["data"]);
                let wrong = format!("{name}: {what}: {data} should be {is_valid}");
                if !(is_valid && NOT_ANSWERS.iter().any(|known| wrong.contains(known))) {
                    counts.wrong.push(wrong);
                }
            }
        }
    }
}

/// All files in a folder, which may be missing, and in those within it.
fn find_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        match path.is_dir() {
            true => find_files(&path, files),
            false => files.push(path),
        }
    }
}

#[test]
fn the_official_suite_agrees() {
    let folder = folder();
    let mut counts = Counts::default();
    for (draft, dialect) in DRAFTS {
        let mut files = Vec::new();
        find_files(&folder.join(draft), &mut files);
        for file in files {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            if name.ends_with(".json") && !OTHERWISE.contains(&name.as_str()) {
                try_file(&mut counts, &file, draft, dialect);
            }
        }
    }
    let refused: usize = counts.refused.values().sum();
    println!(
        "{} schemas, {refused} refused, {} values\n{:#?}",
        counts.schemas, counts.values, counts.refused
    );
    assert!(counts.wrong.is_empty(), "{}", counts.wrong.join("\n"));
    assert!(counts.schemas > 500 && counts.values > 1500);
}
