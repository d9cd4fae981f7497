//! The benchmark: ratios against a bare llama.cpp loop and against llama.cpp's own server, in one
//! run.
//!
//! `cargo xtask bench` builds and runs it. It prints a table, and writes `results.json` with the
//! table and a chart beside it. The rounds of all sides alternate, so that changes of the machine
//! affect all of them. The results are medians with the spread of the rounds.

#![forbid(unsafe_code)]

mod bare;
mod cancel;
mod chart;
mod config;
mod guests;
mod machine;
mod many;
mod memory;
mod mixed;
mod ours;
mod peer;
mod prompts;
mod report;
mod single;
mod status;
mod table;
mod tools;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use peer::{Peer, Serving};
use report::Row;
use tokio::runtime::Runtime;

/// Measures ratios against a bare llama.cpp loop and llama.cpp's own server.
#[derive(Debug, Parser)]
struct Args {
    /// The model, a .gguf file.
    #[arg(long)]
    model: PathBuf,
    /// Gemma 3 270M, a .gguf file. Without it, its rows are left out.
    #[arg(long)]
    gemma: Option<PathBuf>,
    /// A Python interpreter with the package `xllamacpp`. Without it, the peer is left out.
    #[arg(long)]
    peer: Option<PathBuf>,
    /// File for the results. The table (.txt), the chart (.svg) and the peer's logs are written
    /// beside it.
    #[arg(long, default_value = "target/bench/results.json")]
    out: PathBuf,
    /// Number of rounds of each side; slow rows have fewer.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Only rows with this name, or whose name begins with it and a dot. Can be given several
    /// times.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
}

/// The state that all measurements share.
struct Bench {
    model: PathBuf,
    gemma: Option<PathBuf>,
    peer: Option<PathBuf>,
    out: PathBuf,
    rounds: usize,
    only: Vec<String>,
    /// Number of compute threads of all sides: all cores.
    threads: usize,
    /// The description of the machine and its load before the benchmark.
    machine: String,
    runtime: Runtime,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let bench = Bench {
        model: args.model,
        gemma: args.gemma,
        peer: args.peer,
        out: args.out,
        rounds: usize::try_from(args.rounds)?,
        only: args.only,
        threads: std::thread::available_parallelism()?.get(),
        machine: machine::describe(),
        runtime: tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?,
    };
    if let Some(folder) = bench.out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let rows = bench.measure()?;
    ensure!(!rows.is_empty(), "no row has the name {:?}", bench.only);
    bench
        .report(&rows)
        .with_context(|| format!("{} can't be written", bench.out.display()))
}

impl Bench {
    fn measure(&self) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        if self.wants(&["single.decode", "single.prefill"]) {
            rows.extend(single::measure(self)?);
        }
        let mut steady = many::prompts();
        for case in many::CASES {
            if self.wants(&[case.name]) {
                rows.push(many::measure(self, &case, &mut steady)?);
            }
        }
        // Prompts for streams that run during another measurement.
        let mut endless = prompts::Steady::new(64, 600, 4);
        if self.wants(&mixed::NAMES) {
            rows.extend(mixed::measure(self, &mut endless)?);
        }
        if self.wants(&cancel::NAMES) {
            rows.extend(cancel::measure(self, &mut endless)?);
        }
        if self.wants(&memory::SHARED) {
            rows.extend(memory::shared(self)?);
        }
        if self.wants(&[memory::TURNS]) {
            rows.push(memory::turns(self)?);
        }
        if self.wants(&[memory::RESUME]) {
            rows.push(memory::resume(self)?);
        }
        if self.wants(&memory::KV_TYPE) {
            rows.extend(memory::kv_type(self)?);
        }
        if self.wants(&[guests::CROSSING]) {
            rows.push(self.runtime.block_on(guests::crossing(self.rounds))?);
        }
        if self.wants(&[guests::START]) {
            rows.push(self.runtime.block_on(guests::start(self.rounds))?);
        }
        if self.wants(&[status::COST]) {
            rows.push(status::cost(self)?);
        }
        if self.wants(&[status::READ]) {
            rows.push(status::read(self)?);
        }
        if self.wants(&[config::RESOLVE]) {
            rows.push(config::resolve(self.rounds)?);
        }
        if self.wants(&[config::SCHEMA]) {
            rows.push(config::schema(self, config::SCHEMA, &self.model)?);
        }
        if let Some(gemma) = self
            .gemma
            .as_ref()
            .filter(|_| self.wants(&[config::SCHEMA_GEMMA]))
        {
            rows.push(config::schema(self, config::SCHEMA_GEMMA, gemma)?);
        }
        if self.wants(&[tools::COST]) {
            rows.push(tools::cost(self)?);
        }
        rows.retain(|row| self.wants(&[row.name]));
        Ok(rows)
    }

    /// Whether the user wants one of these rows.
    fn wants(&self, names: &[&str]) -> bool {
        let is = |name: &str, only: &str| {
            let rest = name.strip_prefix(only);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let mut names = names.iter();
        self.only.is_empty() || names.any(|name| self.only.iter().any(|only| is(name, only)))
    }

    fn report(&self, rows: &[Row]) -> Result<()> {
        let model = self.model.file_stem().unwrap_or_default().display();
        let about = format!("{model} on {}", self.machine);
        let table = table::table(rows, &about);
        write!(std::io::stdout().lock(), "{table}")?;
        report::write(rows, &self.out)?;
        std::fs::write(self.out.with_extension("txt"), table)?;
        chart::draw(rows, &about, &self.out.with_extension("svg"))
    }

    /// Starts the peer, if there is one, for this number of sequences with `ctx_size` tokens each.
    /// `name` is part of its log's file name.
    fn start_peer(&self, name: &str, parallel: usize, ctx_size: u32) -> Result<Option<Peer>> {
        let Some(python) = &self.peer else {
            return Ok(None);
        };
        let folder = self.out.parent().unwrap_or(Path::new(""));
        let serving = Serving {
            python,
            model: &self.model,
            parallel,
            ctx_size,
            threads: self.threads,
            log: &folder.join(format!("peer.{name}.log")),
        };
        Peer::start(serving).map(Some)
    }

    /// Prints progress, because some rows take minutes.
    #[expect(clippy::print_stderr, reason = "the one place that talks")]
    fn say(&self, words: &str) {
        eprintln!("    {words}");
    }
}

/// The side that is measured next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Ours,
    Limit,
    Peer,
}

/// The order of the sides in a round. Each side is first in every third round, because the machine
/// is warmer for later ones.
fn in_turn(round: usize) -> [Turn; 3] {
    let mut turns = [Turn::Limit, Turn::Ours, Turn::Peer];
    turns.rotate_left(round % 3);
    turns
}
