//! `cargo xtask guests`: the components, examples and test guests, in both ways that people build them.

use std::process::Command;

use anyhow::{Context, Result};

use crate::paths;
use crate::process::{cargo, run};
use crate::tools::cargo_component_path;

/// Chooses what builds the examples: `cargo` for plain `--target wasm32-wasip2` in place of cargo-component.
const BUILDER: &str = "MYNAH_GUEST_BUILDER";

/// Builds everything that runs as a guest, into `target/guests`.
pub(crate) fn build() -> Result<()> {
    examples()?;
    plain(paths::EXAMPLES)?;
    plain(paths::TEST_GUESTS)
}

/// Builds the examples as the README says.
pub(crate) fn examples() -> Result<()> {
    if std::env::var_os(BUILDER).is_some_and(|builder| builder == "cargo") {
        return plain(paths::EXAMPLES);
    }
    let mut build = Command::new(cargo_component_path());
    build
        .current_dir(paths::root())
        .args([
            "build",
            "--release",
            "--locked",
            "--workspace",
            "--manifest-path",
            paths::EXAMPLES,
        ])
        .arg("--target-dir")
        .arg(paths::guests());
    run(&mut build).with_context(|| {
        format!("the examples can't be built with cargo-component; `{BUILDER}=cargo` builds them without it")
    })
}

/// Builds a workspace of guests without cargo-component.
fn plain(manifest: &str) -> Result<()> {
    let mut build = for_wasm("build", manifest);
    run(&mut build)
}

/// A cargo command for a workspace of guests, with the settings that all of them share, so that nothing is built twice.
pub(crate) fn for_wasm(subcommand: &str, manifest: &str) -> Command {
    let mut command = cargo();
    command
        .args([
            subcommand,
            "--release",
            "--locked",
            "--workspace",
            "--target",
            "wasm32-wasip2",
            "--manifest-path",
            manifest,
        ])
        .arg("--target-dir")
        .arg(paths::guests());
    command
}
