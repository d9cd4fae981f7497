//! Building the host, and the workspaces that use its crates.

use anyhow::{Context, Result};

use crate::process::{cargo, output, run};

/// Builds the whole host workspace. Building a single package would build shared dependencies a
/// second time, with fewer features.
pub(crate) fn build() -> Result<()> {
    run(cargo().args(["build", "--locked", "--workspace"]))
}

/// Checks that the lock file of another workspace, such as that of the fuzz targets, matches the
/// dependencies of the host's crates.
pub(crate) fn check_lock(manifest: &str) -> Result<()> {
    let mut fetch = cargo();
    fetch.args(["fetch", "--locked", "--manifest-path", manifest]);
    output(&mut fetch).map(drop).with_context(|| {
        format!(
            "if the host's crates need other crates now, `cargo update --workspace \
             --manifest-path {manifest}` notes them"
        )
    })
}
