//! `cargo xtask guests`: builds the examples and test guests, as components in both common ways,
//! and as core modules.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::paths;
use crate::process::{cargo, for_cargo, run};
use crate::tools::CARGO_COMPONENT;

/// Target of core modules. cargo-component uses the same folder in `target/guests`, with other file
/// names.
pub(crate) const CORE_TARGET: &str = "wasm32-wasip1";
/// Target of components without cargo-component.
const COMPONENT_TARGET: &str = "wasm32-wasip2";

/// The component that [`example`] builds.
pub(crate) fn example_path(name: &str) -> PathBuf {
    paths::guest(COMPONENT_TARGET, name)
}

/// Builds one example with plain cargo, because cargo-component takes minutes to build.
pub(crate) fn example(name: &str) -> Result<()> {
    let mut build = of_packages(
        "build",
        &["--package", name],
        COMPONENT_TARGET,
        paths::EXAMPLES,
    );
    run(&mut build)
}

/// Builds all guests into `target/guests`.
pub(crate) fn build() -> Result<()> {
    examples()?;
    plain(paths::EXAMPLES)?;
    test_guests()
}

/// Builds the test guests.
pub(crate) fn test_guests() -> Result<()> {
    plain(paths::TEST_GUESTS)?;
    run(&mut for_target("build", CORE_TARGET, paths::CORE_GUESTS))
}

/// Builds the examples with cargo-component.
fn examples() -> Result<()> {
    let mut build = for_cargo(Command::new(CARGO_COMPONENT.path()));
    build
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
    run(&mut build).context("the examples can't be built with cargo-component")
}

/// Builds a workspace of guests without cargo-component.
fn plain(manifest: &str) -> Result<()> {
    let mut build = for_wasm("build", manifest);
    run(&mut build)
}

/// A cargo command for a workspace of guests. All use the same settings, so nothing is built twice.
pub(crate) fn for_wasm(subcommand: &str, manifest: &str) -> Command {
    for_target(subcommand, COMPONENT_TARGET, manifest)
}

/// [`for_wasm`] for any target.
pub(crate) fn for_target(subcommand: &str, target: &str, manifest: &str) -> Command {
    of_packages(subcommand, &["--workspace"], target, manifest)
}

/// A cargo command for some packages of a workspace of guests.
fn of_packages(subcommand: &str, packages: &[&str], target: &str, manifest: &str) -> Command {
    let mut command = cargo();
    command
        .args([subcommand, "--release", "--locked"])
        .args(packages)
        .args(["--target", target, "--manifest-path", manifest])
        .arg("--target-dir")
        .arg(paths::guests());
    command
}
