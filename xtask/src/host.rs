//! Building the host.

use anyhow::Result;

use crate::process::{cargo, run};

/// Builds the whole host workspace. Building a single package would build shared dependencies a
/// second time, with fewer features.
pub(crate) fn build() -> Result<()> {
    run(cargo().args(["build", "--locked", "--workspace"]))
}
