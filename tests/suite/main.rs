//! The integration suite: guests and the engine, on the real model where text matters and on a tiny
//! one where mechanics do.
//!
//! A module for each prefix of the guests; each module names every guest of its prefix, else it
//! doesn't compile.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking; clippy.toml reaches only into `#[test]` functions"
)]

mod apuslabs;
mod chat;
pub(crate) mod cli;
mod config;
#[cfg(unix)]
mod control;
mod encoder;
mod engine;
mod ephemeral;
mod examples;
mod files;
mod forms;
mod gemma;
mod hostile;
mod life;
mod logging;
mod memory;
mod migrating;
mod nn;
mod operations;
mod optimize;
mod outgrow;
mod pressure;
mod restart;
mod run;
pub(crate) mod running;
mod sdk;
mod serving;
mod settings;
mod status;
mod stream;
mod telemetry;
#[cfg(unix)]
mod top;
mod vectors;
mod versions;

/// Fails to compile unless a test of that name is in scope.
macro_rules! assert_test_exists {
    ($name:ident) => {
        #[expect(unused_imports, reason = "only that it exists matters")]
        use self::$name as _;
    };
}
pub(crate) use assert_test_exists;
