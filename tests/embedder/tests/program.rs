//! The program of `docs/embedding.md`, built outside of the host's workspace, on a real model.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::{Command, Output};

fn variable(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os(name).expect("`cargo xtask test` sets it"))
}

/// Runs a test guest with the program.
fn run(guest: &str, args: &[&str]) -> Output {
    let guests = variable("MYNAH_TEST_GUESTS");
    Command::new(env!("CARGO_BIN_EXE_mynah-test-embedder"))
        .arg(variable("MYNAH_TEST_MODEL"))
        .arg(guests.join(format!("wasm32-wasip2/release/{guest}.wasm")))
        .args(args)
        .output()
        .unwrap()
}

/// The newcomers' embedder.
#[test]
fn a_program_outside_of_the_tree_runs_a_component_and_says_what_would_be_faster() {
    let output = run("nn_complete", &["The capital of France is"]);
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{stderr}");
    assert!(stdout.contains("Paris"), "{stdout}");
    // This test is built with the same variables as the program.
    let advice = mynah_engine::model::build_advice().unwrap();
    for one in &advice {
        assert!(stderr.contains(&one.reason), "{one} is not in {stderr}");
        assert!(stderr.contains(&one.remedy), "{one} is not in {stderr}");
    }
    if variable("MYNAH_TEST_BUILD").as_os_str() == "documented" {
        assert!(advice.is_empty(), "{advice:?}");
        assert!(!stderr.contains("slower"), "{stderr}");
    }
}

/// The newcomers' embedder.
#[test]
fn the_documentation_shows_what_the_program_is_built_with() {
    let docs = include_str!("../../../docs/embedding.md");
    let toml = docs.split("```toml\n").nth(1).unwrap();
    let toml = toml.split("```").next().unwrap();
    let toml = toml.replace("PATH/TO/mynah/", "../../");
    let manifest = include_str!("../Cargo.toml");
    for line in toml.lines().filter(|line| !line.is_empty()) {
        assert!(manifest.lines().any(|other| other == line), "{line}");
    }
    let config = include_str!("../../../.cargo/config.toml");
    for variable in [
        "target-cpu=native",
        "LLAMA_LIB_PROFILE",
        "CPLUS_INCLUDE_PATH",
    ] {
        assert!(
            docs.contains(variable) && config.contains(variable),
            "{variable}"
        );
    }
}
