//! Measures in decode steps how soon the cells of a cancelled generation are free, while others
//! run.
//!
//! The measurement uses the engine directly: from dropping the generation until the model's status
//! no longer counts its cells. The drops are spread evenly over the length of a step.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use mynah_core::{Generation, Model, Session};

use crate::Bench;
use crate::bare::Bare;
use crate::ours;
use crate::prompts::{Steady, words};
use crate::report::{Bounds, Kind, Round, Row, quantile};

/// Number of generations that run meanwhile.
const OTHERS: usize = 3;
const CTX_SIZE: u32 = 2048;
/// Words in the prompt of the cancelled generation. Its cells outnumber those that the others
/// allocate meanwhile.
const WORDS: usize = 96;
/// Number of cancels in a round.
const CANCELS: u32 = 8;
/// Maximum number of rounds.
const ROUNDS: usize = 5;
/// Number of steps that are timed before each cancel.
const TIMED_STEPS: usize = 9;
/// Interval between two reads of the status. It is far shorter than a step; reading continuously
/// would take a core from the model.
const LOOK: Duration = Duration::from_micros(100);
/// Time without a change of the status after which the measurement fails.
const STUCK: Duration = Duration::from_secs(30);
/// Number of decode steps within which the cells must be free.
const BOUNDS: Bounds = Bounds {
    limit: Some(1.0),
    peer: None,
};

/// The rows of this measurement.
pub(crate) const NAMES: [&str; 2] = ["cancel", "cancel.slowest"];

/// Measures both rows: the median cancel, and the slowest of each round.
pub(crate) fn measure(bench: &Bench, endless: &mut Steady) -> Result<[Row; 2]> {
    let bare = Bare::load(&bench.model, CTX_SIZE, bench.threads)?;
    let model = ours::load(&bench.model, OTHERS + 1, CTX_SIZE)?;
    let endless = endless.take(1, &bare)?.concat();
    let victim = bare.tokens(&words(1, WORDS));
    let (mut cancels, mut slowest) = (Vec::new(), Vec::new());
    for round in 0..bench.rounds.min(ROUNDS) {
        bench.say(&format!("cancel: round {}", round + 1));
        let others = others(bench, &model, &endless)?;
        let mut of_round = Vec::new();
        for cancel in 0..CANCELS {
            let phase = (f64::from(cancel) + 0.5) / f64::from(CANCELS);
            of_round.push(one(bench, &model, &victim, phase)?);
        }
        drop(others);
        wait(&model, |status| status.running == 0)?;
        let ratio = |round: &Round| round.limit.map_or(f64::NAN, |step| round.ours / step);
        let longest = of_round
            .iter()
            .copied()
            .max_by(|a, b| ratio(a).total_cmp(&ratio(b)));
        slowest.extend(longest);
        cancels.extend(of_round);
    }
    let [usual, slow] = NAMES;
    Ok([
        Row::new(usual, "ms", Kind::Time, &cancels, BOUNDS),
        Row::new(slow, "ms", Kind::Time, &slowest, Bounds::default()),
    ])
}

/// Generations that run for a whole round. Nothing reads them; their text fits into the stream's
/// buffer.
fn others(bench: &Bench, model: &Model, prompt: &[u32]) -> Result<Vec<(Session, Generation)>> {
    let count = CTX_SIZE - 128;
    let runtime = &bench.runtime;
    let started = (0..OTHERS).map(|_| runtime.block_on(ours::generate(model, prompt, count)));
    let started = started.collect::<Result<_>>()?;
    wait(model, |status| {
        status.running == OTHERS && status.cells_used > (OTHERS * prompt.len()) as u64
    })?;
    Ok(started)
}

/// One cancel at `phase` of a step. Returns its time and the median time of a step, in
/// milliseconds.
fn one(bench: &Bench, model: &Model, victim: &[u32], phase: f64) -> Result<Round> {
    let before = model.status();
    ensure_others(model)?;
    let generation = ours::generate(model, victim, CTX_SIZE - 512);
    let generation = bench.runtime.block_on(generation)?;
    // Waits until it decodes, so that all steps are alike. Each of the others takes a cell in every
    // step.
    let whole = before.cells_used + (victim.len() + OTHERS * 8) as u64;
    wait(model, |status| status.cells_used > whole)?;
    let mut steps = Vec::new();
    for _ in 0..TIMED_STEPS {
        steps.push(next_step(model)?);
    }
    // The first step had begun before the measurement.
    let step = quantile(steps.get(1..).unwrap_or_default(), 0.5);
    std::thread::sleep(Duration::from_secs_f64(step * phase));

    let cells = model.status().cells_used;
    let begun = Instant::now();
    drop(generation);
    // Half of the generation's own cells, because the others allocate some meanwhile.
    let free = cells - victim.len() as u64 / 2;
    wait(model, |status| status.cells_used < free)?;
    let took = begun.elapsed().as_secs_f64();
    ensure_others(model)?;
    Ok(Round {
        ours: took * 1e3,
        limit: Some(step * 1e3),
        peer: None,
    })
}

fn ensure_others(model: &Model) -> Result<()> {
    ensure!(
        model.status().running == OTHERS,
        "a generation that was to go on has ended: choose another prompt"
    );
    Ok(())
}

/// Seconds until the next step ends.
fn next_step(model: &Model) -> Result<f64> {
    let begun = Instant::now();
    let steps = model.status().steps;
    wait(model, |status| status.steps > steps)?;
    Ok(begun.elapsed().as_secs_f64())
}

fn wait(model: &Model, is_so: impl Fn(&mynah_core::Status) -> bool) -> Result<()> {
    let begun = Instant::now();
    while !is_so(&model.status()) {
        ensure!(begun.elapsed() < STUCK, "stuck at {:?}", model.status());
        std::thread::sleep(LOOK);
    }
    Ok(())
}
