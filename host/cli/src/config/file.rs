//! The configuration file. The engine reads its own sections; this module reads the two sections of
//! this program.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Result, anyhow};
use mynah_settings::{Operator, OtherSection, Place, Priority, Problem, Reading, SettingsError};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use toml::de::{DeTable, DeValue};

use super::source::Source;
use crate::args::{Address, Compat, Control, Preload, Preopen, Size, Span, Variable};
use crate::logging;

/// A configuration file.
#[derive(Debug, Default)]
pub(super) struct File {
    /// The settings of the engine's sections.
    pub(super) operator: Operator,
    /// Warnings about these settings.
    pub(super) warnings: Vec<Problem>,
    /// The place of each setting in the file.
    pub(super) places: BTreeMap<String, Place>,
    pub(super) own: Own,
}

/// The sections of this program.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Own {
    /// Model files by the name under which the component may load them.
    pub(super) models: BTreeMap<String, PathBuf>,
    pub(super) run: Run,
}

/// `[run]`: the grants of a component, and how `mynah run` runs it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Run {
    pub(super) dirs: Vec<Text<Preopen>>,
    pub(super) state_dir: Option<PathBuf>,
    pub(super) env: Vec<Text<Variable>>,
    pub(super) timeout: Option<Text<Span>>,
    pub(super) grace: Option<Text<Span>>,
    pub(super) max_memory: Option<Text<Size>>,
    pub(super) allow_guest_models: Option<Text<Size>>,
    pub(super) allow_host_status: Option<bool>,
    pub(super) metrics: Option<Text<Address>>,
    pub(super) control: Option<Text<Control>>,
    pub(super) instances: Option<u32>,
    pub(super) owner: Option<String>,
    pub(super) weight: Option<u32>,
    pub(super) max_priority: Option<Text<Priority>>,
    pub(super) nn_preload: Vec<Text<Preload>>,
    pub(super) compat: Vec<Text<Compat>>,
}

/// The keys of `[run]`.
const RUN: [&str; 16] = [
    "dirs",
    "state_dir",
    "env",
    "timeout",
    "grace",
    "max_memory",
    "allow_guest_models",
    "allow_host_status",
    "metrics",
    "control",
    "instances",
    "owner",
    "weight",
    "max_priority",
    "nn_preload",
    "compat",
];

/// The sections of this program, which the engine must not reject.
pub(super) const OTHERS: [OtherSection; 2] = [
    OtherSection {
        name: "models",
        keys: None,
    },
    OtherSection {
        name: "run",
        keys: Some(&RUN),
    },
];

/// A value that is written as a string, in the same syntax as on the command line.
#[derive(Debug)]
pub(super) struct Text<T>(pub(super) T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Parsed<T>(PhantomData<T>);

        impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Parsed<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text in quotes, as on the command line")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
                text.parse()
                    .map_err(|error| E::custom(format_args!("\"{text}\": {error}")))
            }
        }

        from.deserialize_str(Parsed(PhantomData)).map(Self)
    }
}

/// Reads a file, TOML or JSON, and reports all problems at once. With `strict`, warnings are
/// problems.
pub(super) fn parse(source: &Source, strict: bool) -> Result<File> {
    let text = source.text().as_bytes();
    let reading = if source.is_json() {
        Reading::json_with(text, &OTHERS)
    } else {
        Reading::toml_with(text, &OTHERS)
    };
    let read = match reading.for_operator(strict) {
        Ok(read) => match logging::wrong_filter(&read.operator.logging) {
            Some(problem) => Err(source.refuse(&[Problem {
                place: read.places.get("logging.filter").copied(),
                ..problem
            }])),
            None => Ok(read),
        },
        Err(SettingsError { problems }) => Err(source.refuse(&problems)),
    };
    match (read, own(source)) {
        (Ok(read), Ok(own)) => Ok(File {
            operator: read.operator,
            warnings: read.warnings,
            places: read.places,
            own,
        }),
        (Err(error), Ok(_)) => Err(error),
        (Ok(_), Err(told)) => Err(anyhow!(told)),
        // The first error already reports a syntax error or a value that is not a section.
        (Err(error), Err(told)) if is_told(&error.to_string(), &told) => Err(error),
        (Err(error), Err(told)) => Err(anyhow!("{error}; {told}")),
    }
}

/// Whether the error already has a problem at this place.
fn is_told(all: &str, told: &str) -> bool {
    let place = told.splitn(4, ':').take(3).collect::<Vec<_>>().join(":");
    all.contains(&format!("{place}:")) || told.contains("not TOML") || told.contains("not JSON")
}

/// Reads the sections of this program. An error contains its place.
fn own(source: &Source) -> Result<Own, String> {
    if source.is_json() {
        return serde_json::from_str(source.text()).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let place = format!(" at line {line} column {column}");
            let text = in_words(&error.to_string().replace(&place, ""));
            format!("{}:{line}:{column}: {text}", source.name())
        });
    }
    let root = DeTable::parse(source.text()).map_err(|error| format!("not TOML: {error}"))?;
    let read = Own::deserialize(toml::de::Deserializer::from(root.clone()));
    read.map_err(|error| {
        let span = error.span().unwrap_or_default();
        let key = key_at(root.get_ref(), &span).unwrap_or_default();
        format!(
            "{}: `{key}`: {}",
            source.place(span.start),
            in_words(error.message())
        )
    })
}

/// The key whose value contains a place.
fn key_at(root: &DeTable<'_>, place: &Range<usize>) -> Option<String> {
    let is_in = |value: &Range<usize>| value.start <= place.start && place.end <= value.end;
    root.iter()
        .filter_map(|(name, section)| match section.get_ref() {
            DeValue::Table(section) => Some((name.get_ref(), section)),
            _ => None,
        })
        .flat_map(|(name, section)| section.iter().map(move |entry| (name, entry)))
        .find(|(_, (_, value))| is_in(&value.span()))
        .map(|(name, (key, _))| format!("{name}.{}", key.get_ref()))
}

/// A message of serde about a type, without Rust's type names.
fn in_words(message: &str) -> String {
    message
        .replace(
            "expected u32",
            "expected a whole number from 0 to 4294967295",
        )
        .replace("expected a sequence", "expected a list")
        .replace("expected path string", "expected a path")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(text: &str) -> Result<File, String> {
        let source = Source::new(Path::new("mynah.toml"), text.to_owned());
        parse(&source, false).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn the_example_of_the_documentation_is_read() {
        let page = include_str!("../../../../docs/configuration.md");
        let (_, rest) = page.split_once("```toml\n").unwrap();
        let (example, _) = rest.split_once("```").unwrap();
        let file = read(example).unwrap();
        assert!(file.own.models.contains_key("default"));
        for key in RUN {
            assert!(
                example.contains(&format!("\n{key} = ")),
                "`{key}` is missing in the example"
            );
        }
    }

    #[test]
    fn the_keys_of_run_are_those_of_its_struct() {
        // Each key with a wrong type is accepted or refused for its type, never for its name.
        for key in RUN {
            let told = read(&format!("[run]\n{key} = 1.5\n")).unwrap_err();
            assert!(told.contains(&format!("`run.{key}`")), "{told}");
        }
    }

    #[test]
    fn all_unknown_keys_are_told_at_once_with_their_place() {
        let told = read("[model]\nqueue_size = 1\n[backend]\n\nqueue_sise = 1\n[run]\ndir = 1\n")
            .unwrap_err();
        for words in [
            "mynah.toml:2:1: `model.queue_size` is no setting: it belongs in `backend`",
            "mynah.toml:5:1: `backend.queue_sise` is no setting: did you mean `queue_size`?",
            "mynah.toml:7:1: `run.dir` is no setting: did you mean `dirs`?",
        ] {
            assert!(told.contains(words), "`{words}` in: {told}");
        }
    }

    #[test]
    fn a_wrong_type_is_told_with_its_key_and_place() {
        for (text, words) in [
            (
                "[model]\nthreads = \"many\"\n",
                "mynah.toml:2:11: `model.threads` is \"many\", it must be a whole number",
            ),
            (
                "[backend]\nqueue_size = -1\n",
                "mynah.toml:2:14: `backend.queue_size` is -1",
            ),
            (
                "[run]\ntimeout = \"soon\"\n",
                "mynah.toml:2:11: `run.timeout`: \"soon\": ",
            ),
            ("[run]\ntimeout = 30\n", "expected text in quotes"),
            ("[run]\nmax_memory = \"1 potato\"\n", "`run.max_memory`"),
            (
                "[run]\ndirs = [\"a\",\n  \"::b\"]\n",
                "mynah.toml:3:3: `run.dirs`",
            ),
            ("[run]\ndirs = \"a\"\n", "expected a list"),
            (
                "[models]\ndefault = 1\n",
                "mynah.toml:2:11: `models.default`",
            ),
            (
                "model = 1\n",
                "mynah.toml:1:9: `model` is 1, it must be a section",
            ),
            (
                "run = 1\n",
                "mynah.toml:1:7: `run` is 1, it must be a section",
            ),
            ("[[model]]\n", "it must be a section"),
            (
                "{\"run\": {\"dirs\": \"a\"}}",
                "mynah.toml:1:20: invalid type: string \"a\", expected a list",
            ),
        ] {
            let told = read(text).unwrap_err();
            assert!(told.contains(words), "`{words}` in: {told}");
            assert!(!told.contains("; "), "told once: {told}");
        }
    }

    #[test]
    fn the_engines_and_the_programs_problems_are_told_together() {
        let told = read("[model]\nthreads = true\nx = 1\n[run]\ninstances = 'x'\n").unwrap_err();
        for words in ["`model.threads`", "`model.x`", "`run.instances`"] {
            assert!(told.contains(words), "{told}");
        }
    }

    #[test]
    fn text_that_is_not_toml_is_refused() {
        let told = read("[model]\nthreads = \n").unwrap_err();
        assert!(told.starts_with("mynah.toml:2:"), "{told}");
        assert!(told.contains("not TOML"), "{told}");
        let twice = read("[model]\nthreads = 1\nthreads = 2\n").unwrap_err();
        assert!(twice.contains("mynah.toml:3:1"), "{twice}");
        assert!(read("{\"model\": ").unwrap_err().contains("not JSON"));
    }

    #[test]
    fn json_is_read_with_the_programs_sections() {
        let file = read(
            r#"{"temp": 0.5, "models": {"a": "a.gguf"}, "run": {"instances": 2, "env": ["K=v"]}}"#,
        )
        .unwrap();
        assert_eq!(file.operator.settings.sampling.temperature, Some(0.5));
        assert_eq!(file.own.run.instances, Some(2));
        assert_eq!(file.own.models.len(), 1);
    }

    #[test]
    fn an_empty_file_sets_nothing() {
        let file = read("").unwrap();
        assert!(file.own.models.is_empty());
        assert_eq!(file.operator, Operator::default());
    }
}
