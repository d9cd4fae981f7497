//! `cargo xtask setup`: what a fresh machine lacks. Each part does nothing where its work is done.

use anyhow::Result;

use crate::process::step;
use crate::{model, tools};

/// Installs what is missing.
pub(crate) fn setup() -> Result<()> {
    step("set up: build tools", tools::system)?;
    step("set up: wasm targets", tools::wasm_targets)?;
    step("set up: cargo-component", || {
        tools::CARGO_COMPONENT.install()
    })?;
    step("set up: default model", || model::default_model().map(drop))
}

/// [`setup`], and what the tests and the benchmark need besides it. The demo doesn't: it stays
/// small.
pub(crate) fn for_tests() -> Result<()> {
    setup()?;
    step("set up: Gemma", || model::gemma().map(drop))
}
