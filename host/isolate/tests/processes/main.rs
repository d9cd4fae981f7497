//! Models in processes of their own, with models that follow a script, and with processes that
//! follow no rule.
//!
//! The process of a model is this executable, so it has a `main` of its own, which calls
//! `mynah_isolate::enter` first, and then runs the tests as `cargo test` does.

#![cfg(target_os = "linux")]

mod model;
mod runner;
mod support;

mod confined;
mod hostile;
mod serving;

use std::process::ExitCode;

fn main() -> ExitCode {
    mynah_isolate::enter(model::load);
    let all = [serving::TESTS, hostile::TESTS, confined::TESTS].concat();
    runner::run(&all)
}
