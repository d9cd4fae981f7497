//! `cargo xtask test`: runs every check of the project, cheap ones first.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::process::{cargo, run, say};
use crate::{demo, embedder, guests, host, model, paths, setup, soak, tidy, wheel};

/// A check: its name and its function.
type Step = (&'static str, fn() -> Result<()>);

/// All checks. `--only` takes these names.
const STEPS: [Step; 11] = [
    ("setup", setup::for_tests),
    ("format", format),
    ("tidy", tidy::tidy),
    ("guests", guests::build),
    ("build", host::build),
    ("lint", lint),
    ("docs", docs),
    ("tests", tests),
    ("embedder", embedder_tests),
    ("soak", soak::briefly),
    ("demo", scripted_demo),
];

/// Which checks to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only run this step: setup, format, tidy, guests, build, lint, docs, tests, embedder, soak or
    /// demo. Can be given more than once.
    #[arg(long, value_name = "STEP", value_parser = STEPS.map(|(name, _)| name))]
    only: Vec<String>,
}

/// Runs the checks.
pub(crate) fn test(args: &Args) -> Result<()> {
    let mut times: Vec<(&str, Duration)> = Vec::new();
    for (name, work) in STEPS {
        if !args.only.is_empty() && !args.only.iter().any(|only| only == name) {
            continue;
        }
        say(&format!("==> {name}"));
        let begun = Instant::now();
        work().with_context(|| {
            format!("step `{name}` failed; `cargo xtask test --only {name}` runs it alone")
        })?;
        let took = begun.elapsed();
        say(&format!("    {name}: done in {:.1} s", took.as_secs_f64()));
        times.push((name, took));
    }
    let total: Duration = times.iter().map(|(_, time)| *time).sum();
    say("==> all checks passed");
    for (name, time) in times.into_iter().chain([("total", total)]) {
        say(&format!("    {name:8} {:7.1} s", time.as_secs_f64()));
    }
    Ok(())
}

fn format() -> Result<()> {
    run(cargo().args(["fmt", "--all", "--check"]))?;
    for manifest in [
        paths::EXAMPLES,
        paths::TEST_GUESTS,
        paths::CORE_GUESTS,
        paths::EMBEDDER,
        paths::FUZZ,
    ] {
        run(cargo().args(["fmt", "--all", "--check", "--manifest-path", manifest]))?;
    }
    Ok(())
}

fn lint() -> Result<()> {
    let deny = ["--", "--deny", "warnings"];
    let host = ["clippy", "--locked", "--workspace", "--all-targets"];
    run(cargo().args(host).args(deny))?;
    run(embedder::cargo("clippy", embedder::Build::Documented)
        .arg("--all-targets")
        .args(deny))?;
    for manifest in [paths::EXAMPLES, paths::TEST_GUESTS] {
        run(guests::for_wasm("clippy", manifest).args(deny))?;
    }
    run(guests::for_target("clippy", guests::CORE_TARGET, paths::CORE_GUESTS).args(deny))
}

fn docs() -> Result<()> {
    run(cargo()
        .args([
            "doc",
            "--locked",
            "--workspace",
            "--no-deps",
            "--document-private-items",
        ])
        .env("RUSTDOCFLAGS", "--deny warnings"))?;
    // It shows private items, which readers of the API would take for a part of it.
    let pages = paths::target().join("doc");
    std::fs::remove_dir_all(&pages).with_context(|| pages.display().to_string())
}

fn tests() -> Result<()> {
    run(cargo()
        .args(["test", "--locked", "--workspace"])
        .env("MYNAH_TEST_MODEL", model::default_model()?)
        .env("MYNAH_TEST_GEMMA", model::gemma()?)
        .env("MYNAH_TEST_JINJA", wheel::JINJA2.python()?)
        .env("MYNAH_TEST_GUESTS", paths::guests())
        .env("MYNAH_TEST_BIN", paths::binary("mynah")))
}

fn embedder_tests() -> Result<()> {
    embedder::test(embedder::Build::Documented)
}

/// Runs the README's first command and checks its answer.
fn scripted_demo() -> Result<()> {
    let output = demo::chat()?
        .args([
            "--temperature",
            "0",
            "--max-tokens",
            "40",
            "Why is the sky blue?",
        ])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    let answer = String::from_utf8_lossy(&output.stdout);
    say(answer.trim());
    if !output.status.success() {
        bail!("the chat example failed ({})", output.status);
    }
    ensure!(
        answer.trim().len() > 20,
        "the chat example answered nothing"
    );
    Ok(())
}
