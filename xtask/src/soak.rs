//! `cargo xtask soak`: builds and runs the soak test, a program of the test crate.

use std::process::Command;

use anyhow::Result;

use crate::process::{run, step};
use crate::{guests, host, paths, setup};

/// Duration in `cargo xtask test`, in minutes.
const BRIEFLY: f64 = 2.0;

/// The duration of the soak test.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Minutes, from 0.5 to 1440.
    #[arg(default_value_t = 30.0)]
    minutes: f64,
}

/// Sets up, builds, and runs the soak test.
pub(crate) fn soak(args: &Args) -> Result<()> {
    setup::setup()?;
    step("build the host", host::build)?;
    step("build the guests", guests::build)?;
    run_for(args.minutes)
}

/// Runs the soak test for a short time, as part of every check.
pub(crate) fn briefly() -> Result<()> {
    run_for(BRIEFLY)
}

fn run_for(minutes: f64) -> Result<()> {
    let soak = || {
        let mut soak = Command::new(paths::binary("soak"));
        soak.current_dir(paths::root())
            .env("MYNAH_TEST_GUESTS", paths::guests())
            // glibc assigns each new thread one of several heaps, and each heap keeps its maximum
            // size. In two minutes that can add 3 %. With a single heap, growth is a leak.
            .env("MALLOC_ARENA_MAX", "1");
        soak
    };
    run(soak().arg("--cycles"))?;
    run(soak().args(["--minutes", &minutes.to_string()]))
}
