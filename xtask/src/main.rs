//! The tasks of the project: `cargo xtask TASK`. This file only dispatches; each task has its own
//! file.

#![forbid(unsafe_code)]

mod bench;
mod demo;
mod embedder;
mod fixture;
mod fuzz;
mod guests;
mod host;
mod model;
mod mutants;
mod paths;
mod peer;
mod process;
mod setup;
mod soak;
mod test;
mod tidy;
mod tools;
mod valgrind;
mod wheel;
mod wit;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The tasks of the project.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install the missing tools: cmake, libclang, wasm targets, cargo-component, the default
    /// model.
    Setup,
    /// Set up, build host and examples, and run the chat example on the default model.
    Demo(demo::Args),
    /// Set up and run every check of the project. CI does exactly this.
    Test(test::Args),
    /// Measure against a bare llama.cpp loop and llama.cpp's own server; writes
    /// target/bench/results.json.
    Bench(bench::Args),
    /// Run a hundred sessions for some minutes, and check that memory does not grow and nothing is
    /// lost.
    Soak(soak::Args),
    /// Fuzz the parsers of models, templates, settings and output forms, one minute per target.
    Fuzz(fuzz::Args),
    /// Put one-line faults into the code without a model, and show those that no test sees.
    Mutants(mutants::Args),
    /// Run the engine's tests under valgrind, to find memory errors and leaks.
    Valgrind(valgrind::Args),
    /// Build the program that embeds the host without any of the variables that make llama.cpp
    /// fast, in a target folder of its own, and test it. Takes ten minutes or more.
    Outside,
    /// Build the example components and the test guests.
    Guests,
    /// Build the test guest that uses the whole contract, and store it as a fixture.
    Fixture(fixture::Args),
    /// Copy the WASI packages that our WIT depends on from the crates of the workspace.
    Wit {
        /// Only check that the copies are identical.
        #[arg(long)]
        check: bool,
    },
    /// Check the repository itself: licences, pinned files, documentation, leftovers.
    Tidy,
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(code) => code,
        Err(error) => {
            process::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs a task. The demo returns the exit code of the program that it ran.
fn run(task: Task) -> Result<ExitCode> {
    match task {
        Task::Setup => setup::setup()?,
        Task::Demo(args) => return demo::demo(&args),
        Task::Test(args) => test::test(&args)?,
        Task::Bench(args) => bench::bench(&args)?,
        Task::Soak(args) => soak::soak(&args)?,
        Task::Fuzz(args) => fuzz::fuzz(&args)?,
        Task::Mutants(args) => mutants::mutants(&args)?,
        Task::Valgrind(args) => valgrind::valgrind(&args)?,
        Task::Outside => embedder::outside()?,
        Task::Guests => guests::build()?,
        Task::Fixture(args) => fixture::fixture(&args)?,
        Task::Wit { check } => wit::wit(check)?,
        Task::Tidy => tidy::tidy()?,
    }
    Ok(ExitCode::SUCCESS)
}
