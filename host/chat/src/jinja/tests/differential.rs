//! Compares each template of the collection with what Python's Jinja2 renders, set up as
//! transformers sets it up.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::civil::date;
use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};

use super::*;

/// What is rendered here and refused by Python's sandbox, on purpose: llama.cpp has both, and
/// published files use them.
const ONLY_HERE: [(&str, &str); 2] = [
    (
        "differs-append",
        "system/user/assistant/tool/tool/assistant/assistant/user",
    ),
    ("differs-from-json", "1"),
];

/// What Python renders and the engine refuses: see the list of what is supported.
const ONLY_THERE: [&str; 1] = ["differs-varargs"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn templates() -> BTreeMap<String, String> {
    let files = std::fs::read_dir(folder().join("templates")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let templates = paths.filter(|path| path.extension().is_some_and(|end| end == "jinja"));
    let named = templates.map(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(path).unwrap())
    });
    named.collect()
}

/// What Python renders of the templates, by name: a text, or why not.
fn in_python(
    templates: &BTreeMap<String, String>,
    variables: &str,
) -> BTreeMap<String, Result<String, String>> {
    let python = std::env::var("MYNAH_TEST_JINJA").expect(
        "MYNAH_TEST_JINJA names a Python interpreter with Jinja2: run `cargo xtask test --only \
         tests`, which installs it and sets the variable",
    );
    // Python must read the numbers as they are written.
    let templates = serde_json::to_string(templates).unwrap();
    let asked = format!(
        r#"{{"templates": {templates}, "variables": {variables}, "now": [2024, 3, 5, 7, 8, 9, 12345]}}"#
    );
    let mut python = Command::new(python)
        .arg(folder().join("render.py"))
        .env("LC_ALL", "C")
        .env("PYTHONIOENCODING", "utf-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = python.stdin.take().unwrap();
    input.write_all(asked.as_bytes()).unwrap();
    drop(input);
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    let answer: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["version"], json!("3.1.6"));
    let rendered = answer["rendered"].as_object().unwrap().iter();
    let result = |of: &Json| match of["text"].as_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(of["error"].to_string()),
    };
    let rendered = rendered.map(|(name, of)| (name.clone(), result(of)));
    rendered.collect()
}

#[test]
fn each_template_renders_as_in_python() {
    let templates = templates();
    assert!(templates.len() >= 60, "{}", templates.len());
    let variables = std::fs::read_to_string(folder().join("templates/variables.json")).unwrap();
    let in_python = in_python(&templates, &variables);
    let now = date(2024, 3, 5).at(7, 8, 9, 12_345_000);
    let bounds = Bounds {
        now: Some(now.to_zoned(TimeZone::UTC).unwrap()),
        ..bounds()
    };
    let Data::Object(variables) = Data::read(&variables).unwrap() else {
        panic!("the variables are no object");
    };
    let mut differences = Vec::new();
    for (name, source) in &templates {
        let here = render(source, &variables, &bounds);
        let there = in_python.get(name).unwrap();
        let expected = ONLY_HERE.iter().find(|(known, _)| known == name);
        let is_same = match (expected, &here, there) {
            (Some((_, expected)), Ok(here), Err(_)) => here == expected,
            (None, Err(_), Ok(_)) => ONLY_THERE.contains(&name.as_str()),
            (None, Ok(here), Ok(there)) => here == there,
            (None, Err(_), Err(_)) => name.starts_with("refused-") || name == "raise",
            _ => false,
        };
        if !is_same {
            differences.push(format!("{name}\n  here:   {here:?}\n  Python: {there:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
