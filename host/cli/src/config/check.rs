//! `mynah config`: checks a file, and lists all settings.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use mynah_gguf::GgufHeader;
use mynah_settings::{Document, Level, Problem, settings_schema, settings_table};
use serde_json::{Value, json};

use super::FILE;
use super::file::{self, File};
use super::own::{OTHERS, RUN, RUN_KEYS, Run, unreadable};
use super::source::Source;
use crate::args::CheckArgs;
use crate::output::{self, Table};

/// Prints the warnings about a file, then what it sets, and with `--all` the defaults.
pub(crate) fn check(args: &CheckArgs) -> Result<ExitCode> {
    let source = source(args.path.as_deref())?;
    let (file, mut errors) = file::read(&source, args.strict);
    if errors.is_empty() {
        errors = contradictions(&file);
    }
    errors.extend(missing(&file, &source));
    errors.sort_by_key(|problem| problem.place);
    for warning in &file.warnings {
        output::warning(&source.at(warning));
    }
    if !errors.is_empty() {
        return Err(source.refuse(&errors));
    }
    let (set, defaults) = shown(&file);
    if set.is_empty() {
        output::note(&format!("{} sets nothing", source.name()));
    }
    let mut table = Table::default();
    for (path, value) in set {
        table.wide_row([path, "set".to_owned()], value);
    }
    if args.all {
        for (path, value) in defaults {
            table.wide_row([path, "default".to_owned()], value);
        }
    }
    output::print(&table)
}

/// The file at a path, stdin (`-`), or the file that `mynah run` reads by itself.
fn source(path: Option<&Path>) -> Result<Source> {
    if path == Some(Path::new("-")) {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        read.context("stdin can't be read")?;
        return Ok(Source::new(Path::new("stdin"), text));
    }
    let read = Source::read(path.unwrap_or(Path::new(FILE)));
    match path {
        Some(path) => read.with_context(|| format!("{} can't be read", path.display())),
        None => read.with_context(|| {
            format!("{FILE} in this folder can't be read: give the path of the file to check")
        }),
    }
}

/// The problems of settings that depend on each other. Each setting was checked by itself before.
fn contradictions(file: &File) -> Vec<Problem> {
    let problems = file.operator.config().check().err();
    let problems = problems.into_iter().flat_map(|error| error.problems);
    let placed = problems.map(|problem| Problem {
        place: file.places.get(&problem.path).copied(),
        ..problem
    });
    placed.collect()
}

/// The files and folders that the file names and that cannot be used.
fn missing(file: &File, source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut wrong = |path: &str, reason: String| {
        let place = file.places.get(path).copied();
        problems.push(unreadable(path, place, reason));
    };
    let preloads = file
        .own
        .run
        .nn_preload
        .iter()
        .map(|preload| &preload.model.path);
    let preloads = preloads.map(|path| ("run.nn_preload".to_owned(), path));
    let models = file.own.models.iter();
    let models = models.map(|(name, path)| (format!("models.{name}"), path));
    for (key, path) in models.chain(preloads) {
        if let Err(error) = GgufHeader::read(&source.path(path)) {
            wrong(&key, error.to_string());
        }
    }
    for dir in &file.own.run.dirs {
        let folder = source.path(&dir.host);
        if !folder.is_dir() {
            wrong(
                "run.dirs",
                format!("there is no folder {}", folder.display()),
            );
        }
    }
    if let Some(log) = &file.operator.logging.file {
        let log = source.path(Path::new(log));
        let folder = log.parent().unwrap_or(Path::new(""));
        // The parent of a bare name is empty: the current folder.
        if !folder.as_os_str().is_empty() && !folder.is_dir() {
            wrong(
                "logging.file",
                format!("there is no folder {}", folder.display()),
            );
        }
    }
    problems
}

/// Paths of settings with their values.
type Rows = Vec<(String, String)>;

/// What the file sets, and the defaults of everything else.
fn shown(file: &File) -> (Rows, Rows) {
    let own = file.keys.iter().map(|key| {
        let path = format!("{}.{}", key.section, key.key);
        (path, as_json(&key.value))
    });
    let (mut set, mut defaults) = (own.collect::<Rows>(), Rows::new());
    for setting in file.operator.in_force() {
        let value = match setting.value {
            Value::Null => "none".to_owned(),
            value => value.to_string(),
        };
        match setting.level {
            Level::Default => defaults.push((setting.path, value)),
            Level::Request | Level::Session | Level::Model | Level::File => {
                set.push((setting.path, value));
            }
        }
    }
    let is_set = |key: &str| {
        file.keys
            .iter()
            .any(|set| (set.section, &*set.key) == (RUN, key))
    };
    let unset = RUN_KEYS.into_iter().filter(|key| !is_set(key));
    defaults.extend(unset.map(|key| (format!("{RUN}.{key}"), Run::default_of(key))));
    (set, defaults)
}

/// A value as JSON shows it.
fn as_json(value: &Document) -> String {
    let json = value.to_json();
    json.map_or_else(|| value.to_string(), |json| json.to_string())
}

/// Prints the JSON Schema of all settings.
pub(crate) fn schema() -> Result<ExitCode> {
    let mut schema = settings_schema();
    if let Some(properties) = schema
        .pointer_mut("/properties")
        .and_then(|all| all.as_object_mut())
    {
        for other in OTHERS {
            let section = match other.keys {
                None => json!({"type": "object", "additionalProperties": {"type": "string"}}),
                Some(keys) => {
                    let keys = keys.iter().map(|key| ((*key).to_owned(), json!({})));
                    let keys: serde_json::Map<_, _> = keys.collect();
                    json!({"type": "object", "properties": keys, "additionalProperties": false})
                }
            };
            properties.insert(other.name.to_owned(), section);
        }
    }
    output::print(&format!("{schema:#}\n"))
}

/// Prints the table of settings for the documentation.
pub(crate) fn table() -> Result<ExitCode> {
    output::print(&settings_table())
}
