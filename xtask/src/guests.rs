//! `cargo xtask guests`: builds the examples and test guests, as components in both common ways,
//! and as core modules.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::paths;
use crate::process::{cargo, for_cargo, run};
use crate::tools::CARGO_COMPONENT;

/// The variable that chooses the builder of the examples: `cargo` uses `--target wasm32-wasip2`
/// instead of cargo-component.
const BUILDER: &str = "MYNAH_GUEST_BUILDER";

/// Target of core modules. cargo-component uses the same folder in `target/guests`, with other file
/// names.
pub(crate) const CORE_TARGET: &str = "wasm32-wasip1";
/// Target of components without cargo-component.
const COMPONENT_TARGET: &str = "wasm32-wasip2";

/// The builder of the examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Builder {
    /// cargo-component, as in the README. It turns a wasm32-wasip1 module into a component.
    Component,
    /// Cargo alone, for wasm32-wasip2.
    Cargo,
}

impl Builder {
    /// The builder in `MYNAH_GUEST_BUILDER`; cargo-component if it is unset or empty.
    fn chosen() -> Result<Self> {
        Self::named(std::env::var_os(BUILDER).as_deref())
    }

    fn named(name: Option<&OsStr>) -> Result<Self> {
        match name.map(OsStr::to_string_lossy).as_deref() {
            None | Some("" | "cargo-component") => Ok(Self::Component),
            Some("cargo") => Ok(Self::Cargo),
            Some(other) => bail!("{BUILDER} is `{other}`: it can be `cargo-component` or `cargo`"),
        }
    }

    fn target(self) -> &'static str {
        match self {
            Self::Component => CORE_TARGET,
            Self::Cargo => COMPONENT_TARGET,
        }
    }
}

/// The path of an example that [`examples`] built.
pub(crate) fn example(name: &str) -> Result<PathBuf> {
    Ok(paths::guest(Builder::chosen()?.target(), name))
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

/// Builds the examples as the README does.
pub(crate) fn examples() -> Result<()> {
    if Builder::chosen()? == Builder::Cargo {
        return plain(paths::EXAMPLES);
    }
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
    run(&mut build).with_context(|| {
        format!(
            "the examples can't be built with cargo-component; `{BUILDER}=cargo` builds them \
            without it"
        )
    })
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
    let mut command = cargo();
    command
        .args([
            subcommand,
            "--release",
            "--locked",
            "--workspace",
            "--target",
            target,
            "--manifest-path",
            manifest,
        ])
        .arg("--target-dir")
        .arg(paths::guests());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_builder_is_an_error_and_none_is_cargo_component() {
        let named = |name: &str| Builder::named(Some(OsStr::new(name)));
        assert_eq!(Builder::named(None).unwrap(), Builder::Component);
        assert_eq!(named("").unwrap(), Builder::Component);
        assert_eq!(named("cargo").unwrap().target(), "wasm32-wasip2");
        assert!(named("carog").unwrap_err().to_string().contains("carog"));
    }
}
