//! `cargo xtask bench`: builds and runs the benchmark, which is a program of the test crate.

use std::process::Command;

use anyhow::Result;

use crate::process::{run, step};
use crate::{guests, model, paths, setup, test};

/// What is passed on to the benchmark.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Arguments of the benchmark, such as `--rounds 5`.
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Sets up, builds, and measures.
pub(crate) fn bench(args: &Args) -> Result<()> {
    setup::setup()?;
    step("build the host", test::build_host)?;
    step("build the guests", guests::build)?;
    let mut bench = Command::new(paths::binary("bench"));
    bench
        .current_dir(paths::root())
        .arg("--model")
        .arg(model::default_model()?)
        .arg("--out")
        .arg(paths::target().join("bench/results.json"))
        .args(&args.rest)
        .env("MYNAH_TEST_GUESTS", paths::guests());
    run(&mut bench)
}
