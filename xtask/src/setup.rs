//! `cargo xtask setup`: installs what is missing on a fresh machine. Each part does nothing if its
//! work is done.

use anyhow::Result;

use crate::process::{cargo, run, step};
use crate::{model, tools, wheel};

/// Installs what the demo needs.
pub(crate) fn for_demo() -> Result<()> {
    step("set up: build tools", tools::system)?;
    step("set up: wasm targets", tools::wasm_targets)?;
    step("set up: default model", || model::default_model().map(drop))
}

/// [`for_demo`], and what builds all guests.
pub(crate) fn setup() -> Result<()> {
    for_demo()?;
    step("set up: cargo-component", || {
        tools::CARGO_COMPONENT.install()
    })
}

/// [`setup`], and the model and the Python package that only the tests need.
pub(crate) fn for_tests() -> Result<()> {
    setup()?;
    // Also those that no build needs: tests read the files of one, and do not reach the registry.
    step(
        "set up: crates",
        || run(cargo().args(["fetch", "--locked"])),
    )?;
    step("set up: Gemma", || model::gemma().map(drop))?;
    step("set up: Jinja2", || wheel::JINJA2.python().map(drop))
}
