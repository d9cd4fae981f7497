//! The benchmark: ratios against a bare llama.cpp loop, side by side in one process run.
//!
//! `cargo xtask bench` builds and runs it. It prints a table and writes `results.json`. Rounds of ours and of the bare loop
//! alternate, so that whatever the machine does meanwhile hits both; reported are medians, and how far the rounds spread.

mod bare;
mod guests;
mod report;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use mynah_engine::{Model, ModelConfig, Settings};

use report::{Report, Row};

/// Measures ratios against a bare llama.cpp loop.
#[derive(Debug, Parser)]
struct Args {
    /// The model, a .gguf file.
    #[arg(long)]
    model: PathBuf,
    /// Where the results go.
    #[arg(long, default_value = "target/bench/results.json")]
    out: PathBuf,
    /// Rounds of each side.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
}

/// The prompt of the single stream, in tokens.
const PROMPT: usize = 64;
/// The answer of the single stream, in tokens.
const ANSWER: u32 = 128;

fn main() -> Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let mut report = Report::default();
    runtime.block_on(async {
        single_stream(&args, &mut report).await?;
        report.add(guests::crossing(args.rounds).await?);
        report.add(guests::start(args.rounds).await?);
        anyhow::Ok(())
    })?;
    report.print()?;
    report
        .write(&args.out)
        .with_context(|| format!("{} can't be written", args.out.display()))
}

/// One guest that reads `ANSWER` tokens, against a loop that does nothing but decode and take the most likely token.
async fn single_stream(args: &Args, report: &mut Report) -> Result<()> {
    let config = ModelConfig {
        defaults: Settings::greedy(),
        ..ModelConfig::default()
    };
    let threads = std::thread::available_parallelism()?.get();
    let model = Model::load(&args.model, config.clone(), |_| {})?;
    let bare = bare::Bare::load(&args.model, config.batch_size, threads)?;
    let mut bare = bare.context()?;
    let prompt = bare.prompt(PROMPT);

    let (mut prefill, mut decode) = (Vec::new(), Vec::new());
    // The first round warms both up.
    for round in 0..=args.rounds {
        // Each goes first in every other round: whoever goes second finds the machine warmer.
        let (ours, theirs) = if round % 2 == 0 {
            let theirs = bare.generate(&prompt, ANSWER)?;
            (guests::stream(&model, &prompt, ANSWER).await?, theirs)
        } else {
            let ours = guests::stream(&model, &prompt, ANSWER).await?;
            (ours, bare.generate(&prompt, ANSWER)?)
        };
        if round > 0 {
            let per_second = |count: f64, seconds: f64| count / seconds;
            let tokens = PROMPT as f64;
            let steps = f64::from(ANSWER - 1);
            prefill.push((
                per_second(tokens, ours.prefill),
                per_second(tokens, theirs.prefill),
            ));
            decode.push((
                per_second(steps, ours.decode),
                per_second(steps, theirs.decode),
            ));
        }
    }
    report.add(Row::against_limit("single.decode", "tokens/s", &decode));
    report.add(Row::against_limit("single.prefill", "tokens/s", &prefill));
    Ok(())
}

/// How long the two phases of a generation took, in seconds.
#[derive(Debug, Clone, Copy)]
struct Phases {
    prefill: f64,
    decode: f64,
}
