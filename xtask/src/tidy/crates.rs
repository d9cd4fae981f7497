//! Checks which crate of the workspace may use which, according to a table of the layers in
//! docs/architecture.md.
//!
//! A crate ends where a dependency ends, so the table also defines which crates may link llama.cpp
//! and wasmtime. The rules are pure; cargo reports the dependencies.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process::{cargo, output};

/// The allowed dependencies of a crate of the workspace.
struct Row {
    name: &'static str,
    /// Crates of the workspace. They do not restrict dev-dependencies, except that a pure crate is
    /// only tested with pure crates.
    may_use: &'static [&'static str],
    /// Families of other crates, from [`FAMILIES`], that it may use.
    may_link: &'static [&'static str],
}

/// Prefixes of the names of restricted crates. A crate without permission must not use them even in
/// tests, so that its tests build without them.
const FAMILIES: [&str; 2] = ["llama-cpp-", "wasmtime"];

/// Every crate of the workspace, from the lowest to the highest.
const TABLE: [Row; 14] = [
    row("mynah-settings", &[], &[]),
    row("mynah-gguf", &[], &[]),
    row("mynah-core", &["mynah-settings"], &[]),
    row("mynah-chat", &["mynah-core", "mynah-settings"], &[]),
    row("mynah-grammar", &["mynah-core", "mynah-settings"], &[]),
    row("mynah-schedule", &["mynah-core", "mynah-settings"], &[]),
    row(
        "mynah-llama",
        &["mynah-core", "mynah-settings"],
        &["llama-cpp-"],
    ),
    row(
        "mynah-engine",
        &[
            "mynah-chat",
            "mynah-core",
            "mynah-gguf",
            "mynah-grammar",
            "mynah-llama",
            "mynah-schedule",
            "mynah-settings",
        ],
        &[],
    ),
    row(
        "mynah-wasi",
        &["mynah-core", "mynah-settings"],
        &["wasmtime"],
    ),
    row("mynah-isolate", &["mynah-core", "mynah-settings"], &[]),
    row(
        "mynah",
        &[
            "mynah-core",
            "mynah-engine",
            "mynah-gguf",
            "mynah-isolate",
            "mynah-settings",
            "mynah-wasi",
        ],
        &["wasmtime"],
    ),
    row("mynah-guest", &[], &[]),
    row(
        "mynah-tests",
        &[
            "mynah-core",
            "mynah-engine",
            "mynah-gguf",
            "mynah-settings",
            "mynah-wasi",
        ],
        &["llama-cpp-", "wasmtime"],
    ),
    row("xtask", &[], &[]),
];

const fn row(
    name: &'static str,
    may_use: &'static [&'static str],
    may_link: &'static [&'static str],
) -> Row {
    Row {
        name,
        may_use,
        may_link,
    }
}

/// Whether a crate builds without any of [`FAMILIES`].
fn is_pure(name: &str) -> bool {
    let row = TABLE.iter().find(|row| row.name == name);
    row.is_some_and(|row| row.may_link.is_empty() && row.may_use.iter().all(|name| is_pure(name)))
}

/// A dependency that a manifest states.
#[derive(Debug)]
struct Dependency {
    name: String,
    /// Whether only tests and examples use it.
    is_dev: bool,
}

/// The crates of the workspace, with the dependencies in their manifests.
type Crates = BTreeMap<String, Vec<Dependency>>;

/// All violations of the table.
pub(super) fn check() -> Result<Vec<String>> {
    let mut metadata = cargo();
    metadata.args(["metadata", "--format-version", "1", "--locked", "--no-deps"]);
    Ok(against_the_table(&crates(&output(&mut metadata)?)?))
}

/// Reads the output of `cargo metadata`.
fn crates(metadata: &str) -> Result<Crates> {
    let metadata: Value = serde_json::from_str(metadata)?;
    let list = |value: &Value, key: &str| {
        let list = value.get(key).and_then(Value::as_array).cloned();
        list.with_context(|| format!("cargo metadata has no `{key}`"))
    };
    let name = |value: &Value| {
        let name = value.get("name").and_then(Value::as_str);
        name.map(str::to_owned)
            .context("cargo metadata has no `name`")
    };
    let mut crates = Crates::new();
    for package in list(&metadata, "packages")? {
        let mut dependencies = Vec::new();
        for dependency in list(&package, "dependencies")? {
            dependencies.push(Dependency {
                name: name(&dependency)?,
                is_dev: dependency.get("kind").and_then(Value::as_str) == Some("dev"),
            });
        }
        crates.insert(name(&package)?, dependencies);
    }
    Ok(crates)
}

fn against_the_table(crates: &Crates) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, dependencies) in crates {
        let Some(row) = TABLE.iter().find(|row| row.name == name) else {
            problems.push(format!(
                "{name}: the table of xtask/src/tidy/crates.rs doesn't say what it may use"
            ));
            continue;
        };
        for Dependency { name: used, is_dev } in dependencies {
            let is_allowed = match is_dev {
                true => !is_pure(name) || is_pure(used),
                false => row.may_use.contains(&used.as_str()),
            };
            if crates.contains_key(used) && !is_allowed {
                problems.push(format!(
                    "{name}: it may not depend on {used} (xtask/src/tidy/crates.rs)"
                ));
            }
            let family = FAMILIES.iter().find(|family| used.starts_with(*family));
            if let Some(family) = family.filter(|family| !row.may_link.contains(family)) {
                problems.push(format!(
                    "{name}: it may not depend on {used}: `{family}*` ends below it or beside it"
                ));
            }
        }
    }
    for row in TABLE.iter().filter(|row| !crates.contains_key(row.name)) {
        problems.push(format!(
            "xtask/src/tidy/crates.rs: there is no crate {}",
            row.name
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All crates of the table, with these dependencies.
    fn with(stated: &[(&str, &str, bool)]) -> Crates {
        let mut crates: Crates = TABLE
            .iter()
            .map(|row| (row.name.to_owned(), Vec::new()))
            .collect();
        for (name, used, is_dev) in stated {
            let dependency = Dependency {
                name: (*used).to_owned(),
                is_dev: *is_dev,
            };
            crates
                .entry((*name).to_owned())
                .or_default()
                .push(dependency);
        }
        crates
    }

    #[test]
    fn what_the_table_allows_is_no_problem() {
        let crates = with(&[
            ("mynah-wasi", "mynah-core", false),
            ("mynah-wasi", "wasmtime-wasi-io", false),
            ("mynah-wasi", "serde", false),
            ("mynah-core", "mynah-core", true),
            ("mynah-wasi", "mynah-engine", true),
        ]);
        assert_eq!(against_the_table(&crates), [] as [&str; 0]);
    }

    #[test]
    fn an_arrow_that_runs_up_is_found() {
        for (name, used) in [
            ("mynah-wasi", "mynah-engine"),
            ("mynah-settings", "mynah-core"),
            ("mynah-llama", "mynah-engine"),
            ("mynah-guest", "mynah-core"),
        ] {
            let found = against_the_table(&with(&[(name, used, false)]));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(
                found[0].starts_with(name) && found[0].contains(used),
                "{found:?}"
            );
        }
    }

    #[test]
    fn pure_crates_link_neither_llama_cpp_nor_wasmtime_even_in_tests() {
        for (name, used) in [
            ("mynah-grammar", "llama-cpp-2"),
            ("mynah-gguf", "llama-cpp-sys-2"),
            ("mynah-core", "wasmtime"),
            ("mynah-engine", "llama-cpp-2"),
        ] {
            for is_dev in [false, true] {
                let found = against_the_table(&with(&[(name, used, is_dev)]));
                assert_eq!(found.len(), 1, "{found:?}");
            }
        }
        let through = with(&[("mynah-chat", "mynah-llama", true)]);
        assert_eq!(against_the_table(&through).len(), 1);
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_are_found() {
        let found = against_the_table(&with(&[("mynah-new", "serde", false)]));
        assert!(found[0].starts_with("mynah-new: "), "{found:?}");
        let mut fewer = with(&[]);
        fewer.remove("mynah-gguf");
        let found = against_the_table(&fewer);
        assert!(
            found[0].ends_with("there is no crate mynah-gguf"),
            "{found:?}"
        );
    }

    #[test]
    fn cargos_answer_is_read() {
        let answer = r#"{"packages": [{"name": "a", "dependencies":
            [{"name": "b", "kind": null}, {"name": "c", "kind": "dev"}]}]}"#;
        let crates = crates(answer).unwrap();
        let stated: Vec<_> = crates["a"]
            .iter()
            .map(|one| (one.name.as_str(), one.is_dev))
            .collect();
        assert_eq!(stated, [("b", false), ("c", true)]);
        assert!(super::crates("{}").is_err());
    }
}
