//! `cargo xtask valgrind`: runs the tests of the crates that call llama.cpp, and those of the suite
//! that use tiny models without a guest, under valgrind's memcheck. It fails on an error or a leak.
//!
//! valgrind supports neither AVX-512 nor AMX, so the tests are built for an older CPU, in their own
//! folder.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process::{cargo, is_on_path, run, show, step};
use crate::{host, paths, setup};

/// The test programs of the crates that call llama.cpp.
const CRATES: [&str; 2] = ["mynah_llama", "mynah_engine"];

/// Tests of the suite: modules of `tests/suite/engine/`, with what their tests begin with.
const SUITE: [&str; 6] = [
    "encoder::",
    "life::",
    "pressure::",
    "vectors::a_session",
    "outgrow::what_is_moved",
    "outgrow::positions",
];

/// Excluded tests: those with guests, whose code valgrind would run too, and those with a model of
/// a hundred megabytes.
const NOT: [&str; 3] = ["guests", "component", "in_the_middle"];

/// Number of cases of a property test; each takes about fifty times as long as without valgrind.
const CASES: &str = "8";

/// Known errors in code that is not ours, each with its reason.
const SUPPRESSIONS: &str = "xtask/valgrind.supp";

/// Which tests to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only tests whose name contains this. Can be given more than once.
    only: Vec<String>,
}

/// Builds and runs the tests.
pub(crate) fn valgrind(args: &Args) -> Result<()> {
    ensure!(
        is_on_path("valgrind"),
        "valgrind isn't on the PATH: install it, on Debian with `apt install valgrind`"
    );
    setup::setup()?;
    step("build the host", host::build)?;
    let programs = step("build the tests for an older CPU", build)?;
    let suite = program(&programs, "suite")?;
    for name in CRATES {
        let tests = program(&programs, name)?;
        step(&format!("the tests of {name}"), || {
            run(under_valgrind(tests).args(&args.only))
        })?;
    }
    step("tests of the suite", || {
        let skipped = NOT.iter().flat_map(|name| ["--skip", name]);
        let mut tests = under_valgrind(suite);
        match args.only.as_slice() {
            [] => tests.args(SUITE),
            only => tests.args(only),
        };
        run(tests.args(skipped))
    })
}

/// Builds all tests. Returns the programs with the names of their targets.
fn build() -> Result<Vec<(String, PathBuf)>> {
    let cpu = match std::env::consts::ARCH {
        "x86_64" => "x86-64-v3",
        _ => "generic",
    };
    let mut build = cargo();
    build
        .args(["test", "--locked", "--no-run"])
        .args(["--package", "mynah-llama", "--package", "mynah-engine"])
        .args(["--package", "mynah-tests"])
        .arg("--message-format=json-render-diagnostics")
        .env("RUSTFLAGS", format!("-C target-cpu={cpu}"))
        .env("CARGO_TARGET_DIR", paths::target().join("valgrind"))
        .stderr(Stdio::inherit());
    let messages = build.output()?;
    ensure!(messages.status.success(), "`{}` failed", show(&build));
    let messages = String::from_utf8_lossy(&messages.stdout);
    Ok(messages.lines().filter_map(test_program).collect())
}

/// The test program in a message of cargo.
fn test_program(message: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(message).ok()?;
    let is_test = message.pointer("/profile/test")?.as_bool()?;
    let name = message.pointer("/target/name")?.as_str()?;
    let path = message.get("executable")?.as_str()?;
    is_test.then(|| (name.to_owned(), path.into()))
}

fn program<'a>(programs: &'a [(String, PathBuf)], name: &str) -> Result<&'a PathBuf> {
    let found = programs.iter().find(|(target, _)| target == name);
    Ok(&found
        .with_context(|| format!("cargo built no tests of `{name}`"))?
        .1)
}

fn under_valgrind(program: &PathBuf) -> Command {
    let mut command = Command::new("valgrind");
    command
        .current_dir(paths::root())
        .args(["--leak-check=full", "--errors-for-leak-kinds=definite"])
        .args(["--error-exitcode=1", "--num-callers=40"])
        // llama.cpp's threads and those of this program must take turns.
        .arg("--fair-sched=yes")
        .arg(format!("--suppressions={SUPPRESSIONS}"))
        .arg(program)
        .arg("--test-threads=1")
        .env("PROPTEST_CASES", CASES)
        // Programs that the tests start are not checked.
        .env("MYNAH_TEST_BIN", paths::binary("mynah"));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_of_the_suite_are_there() {
        for chosen in SUITE {
            let (module, test) = chosen.split_once("::").unwrap();
            let file = paths::root().join(format!("tests/suite/engine/{module}.rs"));
            let tests = std::fs::read_to_string(&file).unwrap();
            assert!(tests.contains(&format!("fn {test}")), "{chosen}");
        }
    }

    #[test]
    fn cargo_tells_where_the_tests_are() {
        let told = r#"{"reason":"compiler-artifact","target":{"name":"suite"},"profile":{"test":true},"executable":"/t/suite-1"}"#;
        let library = r#"{"reason":"compiler-artifact","target":{"name":"suite"},"profile":{"test":false},"executable":null}"#;
        let found: Vec<_> = [told, library, "no JSON"]
            .into_iter()
            .filter_map(test_program)
            .collect();
        assert_eq!(found, [("suite".to_owned(), "/t/suite-1".into())]);
        assert_eq!(program(&found, "suite").unwrap(), &found[0].1);
        assert!(program(&found, "engine").is_err());
    }
}
