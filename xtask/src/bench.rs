//! `cargo xtask bench`: builds and runs the benchmark, a program of the test crate.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{run, say, step};
use crate::{guests, host, model, paths, peer, setup};

/// The page with the results of the last run, and its chart.
const PAGE: &str = "docs/performance.md";
const CHART: &str = "docs/performance.svg";
/// The lines around the results in the page.
const BEGIN: &str = "<!-- the last run: written by `cargo xtask bench --docs` -->";
const END: &str = "<!-- end of the last run -->";

/// How to run the benchmark, and the arguments for it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Leave out llama.cpp's own server, which needs python3 with venv.
    #[arg(long)]
    no_peer: bool,
    /// Write the results to docs/performance.md.
    #[arg(long)]
    docs: bool,
    /// Arguments of the benchmark, such as `--rounds 5` or `--only many`.
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Sets up, builds, and runs the benchmark.
pub(crate) fn bench(args: &Args) -> Result<()> {
    setup::for_tests()?;
    let peer = match args.no_peer {
        true => None,
        false => Some(step("set up: llama.cpp's server", || {
            peer::SERVER.python()
        })?),
    };
    step("build the host", host::build)?;
    step("build the guests", guests::build)?;
    let results = paths::target().join("bench/results.json");
    let mut bench = Command::new(paths::binary("bench"));
    bench
        .current_dir(paths::root())
        .arg("--model")
        .arg(model::default_model()?)
        .arg("--gemma")
        .arg(model::gemma()?)
        .arg("--out")
        .arg(&results)
        .env("MYNAH_TEST_GUESTS", paths::guests());
    if let Some(python) = peer {
        bench.arg("--peer").arg(python);
    }
    bench.args(&args.rest);
    run(&mut bench)?;
    if args.docs {
        put_into_docs(&results)?;
    }
    Ok(())
}

/// Copies the results into the documentation.
fn put_into_docs(results: &Path) -> Result<()> {
    let table = std::fs::read_to_string(results.with_extension("txt"))?;
    let page = paths::root().join(PAGE);
    let text = std::fs::read_to_string(&page)?;
    std::fs::write(&page, with_run(&text, &table).with_context(|| PAGE)?)?;
    std::fs::copy(results.with_extension("svg"), paths::root().join(CHART))?;
    say(&format!("    {PAGE} and {CHART} show this run"));
    Ok(())
}

/// The page with new results.
fn with_run(page: &str, table: &str) -> Result<String> {
    let no_place = || format!("it has no `{BEGIN}` with `{END}` after it");
    let (before, rest) = page.split_once(BEGIN).with_context(no_place)?;
    let (_, after) = rest.split_once(END).with_context(no_place)?;
    let table: Vec<&str> = table.lines().map(str::trim_end).collect();
    let table = table.join("\n");
    Ok(format!(
        "{before}{BEGIN}\n\n```text\n{table}\n```\n\n{END}{after}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_takes_the_place_of_the_one_before() {
        let page = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let page = with_run(&page, "one  \ntwo\n").unwrap();
        assert_eq!(
            page,
            format!("a\n{BEGIN}\n\n```text\none\ntwo\n```\n\n{END}\nb\n")
        );
        assert_eq!(with_run(&page, "one\ntwo\n").unwrap(), page);
        assert!(with_run("no place", "one").is_err());
    }
}
