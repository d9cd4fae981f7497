//! `cargo xtask setup`: installs what is missing on a fresh machine. Each part does nothing if its
//! work is done.

use anyhow::Result;

use crate::process::step;
use crate::{model, tools, wheel};

/// Installs everything that is missing.
pub(crate) fn setup() -> Result<()> {
    step("set up: build tools", tools::system)?;
    step("set up: wasm targets", tools::wasm_targets)?;
    step("set up: cargo-component", || {
        tools::CARGO_COMPONENT.install()
    })?;
    step("set up: default model", || model::default_model().map(drop))
}

/// [`setup`], and the model and the Python package that only the tests need.
pub(crate) fn for_tests() -> Result<()> {
    setup()?;
    step("set up: Gemma", || model::gemma().map(drop))?;
    step("set up: Jinja2", || wheel::JINJA2.python().map(drop))
}
