//! `cargo xtask outside`: builds the program that embeds the host as a stranger would, and tests
//! it.

use std::process::Command;

use anyhow::Result;

use crate::process::{cargo as any_cargo, run};
use crate::{model, paths};

/// The variables that `docs/embedding.md` names. `.cargo/config.toml` sets them in this workspace.
const VARIABLES: [&str; 3] = ["CPLUS_INCLUDE_PATH", "LLAMA_LIB_PROFILE", "RUSTFLAGS"];

/// How the program is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// With the variables that `docs/embedding.md` names. It uses the target folder of the host's
    /// workspace, which has its dependencies (`tests/embedder/shared-builds`).
    Documented,
    /// Without any variables. This compiles llama.cpp and wasmtime again, in a target folder of its
    /// own.
    Plain,
}

impl Build {
    /// Its name for the tests.
    fn name(self) -> &'static str {
        match self {
            Self::Documented => "documented",
            Self::Plain => "plain",
        }
    }
}

/// Builds the program without any variables and tests it.
pub(crate) fn outside() -> Result<()> {
    test(Build::Plain)
}

/// Builds the program and runs its tests.
pub(crate) fn test(build: Build) -> Result<()> {
    run(cargo("test", build)
        .env("MYNAH_TEST_BUILD", build.name())
        .env("MYNAH_TEST_MODEL", model::default_model()?)
        .env("MYNAH_TEST_GUESTS", paths::guests()))
}

/// A command of cargo's for the program. It runs in a folder outside of this repository, so cargo
/// does not read `.cargo/config.toml`.
pub(crate) fn cargo(command: &str, build: Build) -> Command {
    let mut cargo = any_cargo();
    let target = match build {
        Build::Documented => paths::target(),
        Build::Plain => paths::target().join("outside"),
    };
    cargo
        .args([command, "--workspace", "--locked", "--manifest-path"])
        .arg(paths::root().join(paths::EMBEDDER))
        .arg("--target-dir")
        .arg(target)
        .current_dir(std::env::temp_dir());
    match build {
        // Cargo passes the variables of `.cargo/config.toml` to this program, except for this one.
        Build::Documented => cargo.env("RUSTFLAGS", "-C target-cpu=native"),
        Build::Plain => {
            for variable in VARIABLES {
                cargo.env_remove(variable);
            }
            &mut cargo
        }
    };
    cargo
}
