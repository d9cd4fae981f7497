//! `cargo xtask soak`: builds and runs the soak, which is a program of the test crate.

use std::process::Command;

use anyhow::Result;

use crate::process::{run, step};
use crate::{guests, paths, setup, test};

/// Minutes that `cargo xtask test` takes for it.
const BRIEFLY: f64 = 2.0;

/// How long it lasts.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Minutes, from 0.5 to 1440.
    #[arg(default_value_t = 30.0)]
    minutes: f64,
}

/// Sets up, builds, and runs it.
pub(crate) fn soak(args: &Args) -> Result<()> {
    setup::setup()?;
    step("build the host", test::build_host)?;
    step("build the guests", guests::build)?;
    run_for(args.minutes)
}

/// Runs it for as long as every change can wait for it.
pub(crate) fn briefly() -> Result<()> {
    run_for(BRIEFLY)
}

fn run_for(minutes: f64) -> Result<()> {
    let soak = || {
        let mut soak = Command::new(paths::binary("soak"));
        soak.current_dir(paths::root())
            .env("MYNAH_TEST_GUESTS", paths::guests())
            // glibc gives each new thread any one of sixteen heaps, and each of them keeps what its
            // fullest moment was: in two minutes that may be 3 % more. With one, what grows is a
            // leak.
            .env("MALLOC_ARENA_MAX", "1");
        soak
    };
    run(soak().arg("--cycles"))?;
    run(soak().args(["--minutes", &minutes.to_string()]))
}
