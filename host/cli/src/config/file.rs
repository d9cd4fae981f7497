//! The configuration file: its sections and keys, and reading them.
//!
//! Names and units are those that the file has; which value is in force is `merge`'s business, and what it may be is
//! checked where it is used.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Result;
use bytesize::ByteSize;
use mynah_engine::model::optimize::Target;
use mynah_engine::{KvLayout, Priority};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{self, Section};
use super::source::{Problem, Source};
use crate::args::{Preopen, Variable};

/// A value, if the file has it, with its place.
pub(super) type Key<T> = Option<Spanned<T>>;

/// A configuration file.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct File {
    /// Names granted to the component, with their files.
    pub(super) models: BTreeMap<String, PathBuf>,
    pub(super) model: Model,
    pub(super) sampling: Sampling,
    pub(super) stopping: Stopping,
    pub(super) backend: Backend,
    pub(super) run: Run,
}

/// All sections with their keys, for hints.
pub(super) fn sections() -> [Section; 6] {
    [
        Section::of_any_keys("models"),
        Section::of::<Model>("model"),
        Section::of::<Sampling>("sampling"),
        Section::of::<Stopping>("stopping"),
        Section::of::<Backend>("backend"),
        Section::of::<Run>("run"),
    ]
}

/// `[model]`: how a model is served.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Model {
    pub(super) ctx_size: Key<u32>,
    pub(super) batch_size: Key<u32>,
    pub(super) threads: Key<u32>,
    pub(super) kv_cells: Key<u32>,
    pub(super) kv_layout: Option<Text<KvLayout>>,
    pub(super) optimize: Option<Text<Target>>,
}

/// `[sampling]`: how a token is chosen, where the component doesn't say.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Sampling {
    pub(super) temp: Key<f32>,
    /// The same, spelled out.
    pub(super) temperature: Key<f32>,
    pub(super) seed: Key<u32>,
}

/// `[stopping]`: when a generation ends, where the component doesn't say.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Stopping {
    pub(super) max_tokens: Key<u32>,
    pub(super) max_time_ms: Key<u64>,
    pub(super) stop: Key<Vec<String>>,
}

/// `[backend]`: how many are served at once, and what bounds them.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Backend {
    pub(super) max_concurrent: Key<u32>,
    pub(super) queue_size: Key<u32>,
    pub(super) max_sessions: Key<u32>,
    pub(super) default_task_timeout_ms: Key<u64>,
    pub(super) ageing_ms: Key<u64>,
    pub(super) default_priority: Option<Text<Priority>>,
    pub(super) deterministic: Key<bool>,
    pub(super) max_parked_bytes: Key<u64>,
    pub(super) max_prompt_bytes: Key<u32>,
    pub(super) max_unread_bytes: Key<u32>,
}

/// `[run]`: what `mynah run` grants a component, and how it runs it.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Run {
    pub(super) dirs: Vec<Text<Preopen>>,
    pub(super) env: Vec<Text<Variable>>,
    pub(super) timeout: Option<Text<humantime::Duration>>,
    pub(super) max_memory: Option<Text<ByteSize>>,
    pub(super) allow_guest_models: Option<Text<ByteSize>>,
    pub(super) instances: Key<u32>,
    pub(super) owner: Key<String>,
    pub(super) weight: Key<u32>,
    pub(super) max_priority: Option<Text<Priority>>,
}

/// A value that is written as text, the same text as on the command line.
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

/// Reads a file. All unknown keys are told at once.
pub(super) fn parse(source: &Source) -> Result<File> {
    let refuse = |error: toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start);
        let what = format!("not TOML: {}", error.message());
        source.refuse(vec![Problem { at, what }])
    };
    let root = DeTable::parse(source.text()).map_err(refuse)?;
    let mut problems = keys::check(root.get_ref(), &sections());
    let read = File::deserialize(toml::de::Deserializer::from(root.clone()));
    let file = match read {
        Ok(file) => file,
        Err(error) => {
            let span = error.span().unwrap_or_default();
            // What isn't a section at all has been told already.
            if problems.iter().all(|problem| problem.at != span.start) {
                let key = key_at(root.get_ref(), &span).unwrap_or_default();
                let what = format!("`{key}`: {}", in_words(error.message()));
                problems.push(Problem {
                    at: span.start,
                    what,
                });
            }
            return Err(source.refuse(problems));
        }
    };
    if let (Some(_), Some(again)) = (&file.sampling.temp, &file.sampling.temperature) {
        problems.push(Problem {
            at: again.span().start,
            what: "`temp` and `temperature` are the same setting: keep one of them".to_owned(),
        });
    }
    if problems.is_empty() {
        Ok(file)
    } else {
        Err(source.refuse(problems))
    }
}

/// The key whose value a place is in.
fn key_at(root: &DeTable<'_>, place: &Range<usize>) -> Option<String> {
    root.values()
        .filter_map(|section| match section.get_ref() {
            DeValue::Table(section) => Some(section),
            _ => None,
        })
        .flat_map(|section| section.iter())
        .find(|(_, value)| value.span().start <= place.start && place.end <= value.span().end)
        .map(|(key, _)| key.get_ref().to_string())
}

/// What serde says about a type, without Rust's names for it.
fn in_words(message: &str) -> String {
    message
        .replace(
            "expected u32",
            "expected a whole number from 0 to 4294967295",
        )
        .replace("expected u64", "expected a whole number, 0 or more")
        .replace("expected f32", "expected a number")
        .replace("expected a sequence", "expected a list")
        .replace("expected path string", "expected a path")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(text: &str) -> Result<File, String> {
        let source = Source::new(Path::new("mynah.toml"), text.to_owned());
        parse(&source).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn the_example_of_the_documentation_is_read() {
        let page = include_str!("../../../../docs/configuration.md");
        let (_, rest) = page.split_once("```toml\n").unwrap();
        let (example, _) = rest.split_once("```").unwrap();
        let file = read(example).unwrap();
        assert!(file.models.contains_key("default"));
        // A complete example: each key that there is, but for the second name of one.
        for section in sections() {
            for key in section.keys() {
                let line = format!("\n{key} = ");
                assert!(
                    example.contains(&line) || *key == "temperature",
                    "`{key}` is missing in the example"
                );
            }
        }
    }

    #[test]
    fn all_unknown_keys_are_told_at_once_with_their_place() {
        let told = read("[model]\nqueue_size = 1\n[backend]\n\nqueue_sise = 1\n").unwrap_err();
        for words in [
            "mynah.toml:2:1: unknown key `queue_size` in [model]: it belongs in [backend]",
            "mynah.toml:5:1: unknown key `queue_sise` in [backend]: did you mean `queue_size`?",
        ] {
            assert!(told.contains(words), "`{words}` in: {told}");
        }
    }

    #[test]
    fn a_wrong_type_is_told_with_its_key_and_place() {
        for (text, words) in [
            (
                "[model]\nthreads = \"many\"\n",
                "mynah.toml:2:11: `threads`: invalid type: string \"many\", expected a whole number",
            ),
            (
                "[backend]\nqueue_size = -1\n",
                "mynah.toml:2:14: `queue_size`",
            ),
            (
                "[run]\ntimeout = \"soon\"\n",
                "mynah.toml:2:11: `timeout`: \"soon\": ",
            ),
            ("[run]\ntimeout = 30\n", "expected text in quotes"),
            ("[run]\nmax_memory = \"1 potato\"\n", "`max_memory`"),
            (
                "[run]\ndirs = [\"a\",\n  \"::b\"]\n",
                "mynah.toml:3:3: `dirs`",
            ),
            ("[run]\ndirs = \"a\"\n", "expected a list"),
            ("[models]\ndefault = 1\n", "mynah.toml:2:11: `default`"),
            ("model = 1\n", "mynah.toml:1:9: `model` is a section"),
            ("[[model]]\n", "`model` is a section"),
        ] {
            let told = read(text).unwrap_err();
            assert!(told.contains(words), "`{words}` in: {told}");
            assert!(!told.contains("; "), "told once: {told}");
        }
    }

    #[test]
    fn a_type_and_an_unknown_key_are_told_together() {
        let told = read("[model]\nthreads = true\nx = 1\n").unwrap_err();
        assert!(told.contains("`threads`") && told.contains("`x`"), "{told}");
    }

    #[test]
    fn text_that_is_not_toml_is_refused() {
        let told = read("[model]\nthreads = \n").unwrap_err();
        assert!(told.starts_with("mynah.toml:2:"), "{told}");
        assert!(told.contains("not TOML"), "{told}");
        let twice = read("[model]\nthreads = 1\nthreads = 2\n").unwrap_err();
        assert!(twice.contains("mynah.toml:3:1"), "{twice}");
    }

    #[test]
    fn the_temperature_has_two_names_and_one_value() {
        let long = read("[sampling]\ntemperature = 1\n").unwrap();
        assert!(long.sampling.temperature.is_some());
        let told = read("[sampling]\ntemp = 1.0\ntemperature = 1.0\n").unwrap_err();
        assert!(told.contains("keep one"), "{told}");
    }

    #[test]
    fn an_empty_file_sets_nothing() {
        let file = read("").unwrap();
        assert!(file.models.is_empty() && file.model.ctx_size.is_none());
    }
}
