//! The program of `docs/embedding.md`, built without any settings of the workspace, on a real model.

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

#[test]
fn a_program_built_without_any_settings_runs_a_component_and_says_what_would_be_faster() {
    let output = run("nn_complete", &["The capital of France is"]);
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{stderr}");
    assert!(stdout.contains("Paris"), "{stdout}");
    // This test was built with the same settings. Cargo's profile `dev` alone is one reason.
    let advice = mynah_engine::model::build_advice().unwrap();
    assert!(!advice.is_empty());
    for one in advice {
        assert!(stderr.contains(&one.reason), "{one} is not in {stderr}");
        assert!(stderr.contains(&one.remedy), "{one} is not in {stderr}");
    }
}
