//! Models in processes of their own, with models that follow a script, and with processes that
//! follow no rule.
//!
//! The process of a model is this executable, so it has a `main` of its own, which calls
//! `mynah_isolate::enter` first, and then runs the tests as `cargo test` does.

#![cfg_attr(
    target_os = "linux",
    expect(
        clippy::unwrap_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::print_stdout,
        clippy::print_stderr,
        reason = "test code, in a program of its own"
    )
)]

#[cfg(target_os = "linux")]
mod confined;
#[cfg(target_os = "linux")]
mod hostile;
#[cfg(target_os = "linux")]
mod model;
#[cfg(target_os = "linux")]
mod runner;
#[cfg(target_os = "linux")]
mod serving;
#[cfg(target_os = "linux")]
mod support;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    mynah_isolate::enter(model::load);
    let all = [serving::TESTS, hostile::TESTS, confined::TESTS].concat();
    runner::run(&all)
}

/// There are no isolated models elsewhere.
#[cfg(not(target_os = "linux"))]
fn main() {}
