//! `cargo xtask mutants`: puts one-line faults into the code that needs no model, and shows which
//! of them no test sees.
//!
//! `cargo-mutants` makes the faults. `.cargo/mutants.toml` lists those that change nothing, each
//! with its reason; any other one that is not seen fails the task.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process::{for_cargo, say, step};
use crate::{paths, tools};

/// The crates without llama.cpp whose behaviour is all in what they return.
const CRATES: [&str; 5] = ["schedule", "settings", "chat", "grammar", "gguf"];

/// The name of the cache manager, which is a part of `mynah-engine`, and its files.
const CACHE: (&str, &str) = ("cache", "host/engine/src/decode/cache/*.rs");

/// Minimum share of the faults that a test must see.
const LEAST: f64 = 0.95;

/// Number of inputs of a property test. A fault that a quarter of the usual number does not show
/// wants a test of its own.
const CASES: &str = "64";

/// Which code to check.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// schedule, settings, chat, grammar, gguf, or cache (the cache manager); all if none is named.
    #[arg(value_name = "CRATE", value_parser = names().collect::<Vec<_>>())]
    only: Vec<String>,
    /// Only one part of the faults, spread over the crate: `1/8` is the second of eight parts.
    #[arg(long, value_name = "K/N")]
    shard: Option<String>,
}

/// All that can be checked.
fn names() -> impl Iterator<Item = &'static str> {
    CRATES.into_iter().chain([CACHE.0])
}

/// Checks each crate in turn.
pub(crate) fn mutants(args: &Args) -> Result<()> {
    step("set up: cargo-mutants", || tools::CARGO_MUTANTS.install())?;
    let is_wanted = |name: &&str| args.only.is_empty() || args.only.iter().any(|one| one == name);
    let mut failed = Vec::new();
    for name in names().filter(is_wanted) {
        let found = step(&format!("faults in {name}"), || {
            one(name, args.shard.as_deref())
        });
        if let Err(error) = found {
            failed.push(format!("{error:#}"));
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

fn one(name: &str, shard: Option<&str>) -> Result<()> {
    let folder = paths::target().join("mutants").join(name);
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let mut command = for_cargo(std::process::Command::new(tools::CARGO_MUTANTS.path()));
    command
        .current_dir(paths::root())
        // A fault that makes the tests hang is seen. The time limit follows from a run without one.
        .args(["mutants", "--profile", "mutants", "--no-shuffle"])
        .env("PROPTEST_CASES", CASES)
        .arg("--output")
        .arg(&folder)
        // The copies of the sources share what they depend on.
        .env(
            "CARGO_TARGET_DIR",
            paths::target().join("mutants").join("build"),
        );
    if let Some(shard) = shard {
        command.args(["--sharding", "round-robin", "--shard", shard]);
    }
    if name == CACHE.0 {
        command.args(["--package", "mynah-engine", "--file", CACHE.1]);
        command.args(["--", "--lib", "decode::"]);
    } else {
        command.args(["--package", &format!("mynah-{name}"), "--", "--lib"]);
    }
    // It also fails if a fault was not seen, which `judge` tells apart.
    command.status().context("cargo-mutants can't be started")?;
    judge(name, &folder.join("mutants.out").join("outcomes.json"))
}

/// Compares what was seen with the bound.
fn judge(name: &str, outcomes: &Path) -> Result<()> {
    let text = std::fs::read_to_string(outcomes)
        .with_context(|| format!("cargo-mutants wrote no {}: see above", outcomes.display()))?;
    let outcomes: Value = serde_json::from_str(&text)?;
    let count = |key: &str| {
        outcomes
            .get(key)
            .and_then(Value::as_u64)
            .unwrap_or_default()
    };
    let (missed, seen) = (count("missed"), count("caught") + count("timeout"));
    ensure!(
        missed + seen > 0,
        "{name}: there was nothing to put faults into"
    );
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let share = seen as f64 / (seen + missed) as f64;
    say(&format!(
        "    {name}: tests see {seen} of {} faults ({:.1} %); {} don't compile",
        seen + missed,
        share * 100.0,
        count("unviable")
    ));
    ensure!(
        share >= LEAST,
        "{name}: tests see {:.1} % of the faults, at least {:.0} % are wanted: see {}",
        share * 100.0,
        LEAST * 100.0,
        paths::target()
            .join("mutants")
            .join(name)
            .join("mutants.out/missed.txt")
            .display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_faults_that_are_seen_fail_the_task() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("outcomes.json");
        for (text, is_good) in [
            (
                r#"{"caught": 18, "timeout": 1, "missed": 1, "unviable": 7}"#,
                true,
            ),
            (
                r#"{"caught": 18, "timeout": 0, "missed": 1, "unviable": 7}"#,
                false,
            ),
            (r#"{"caught": 0, "missed": 0}"#, false),
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(judge("it", &file).is_ok(), is_good, "{text}");
        }
        assert!(judge("it", &folder.path().join("none")).is_err());
    }
}
