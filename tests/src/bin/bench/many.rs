//! Many guests at once, each with its own prompt: their total tokens per second.
//!
//! For each side this is the number of generated tokens divided by the time from the first start to
//! the end of the last answer. It includes computing the prompts.

use std::time::Instant;

use anyhow::{Result, ensure};
use mynah_engine::model::optimize::optimized;
use mynah_settings::{Optimize, Target};

use crate::bare::{Bare, Lockstep, apart};
use crate::ours::{self, Instance, Program, value};
use crate::peer::{Peer, Request};
use crate::prompts::Steady;
use crate::report::{Bounds, Kind, Round, Row};
use crate::{Bench, Turn, in_turn};

/// Words in each prompt.
const WORDS: usize = 64;
/// Tokens in each answer.
const ANSWER: u32 = 64;
/// Context tokens per sequence, on all sides.
const CTX_SIZE: u32 = 512;
/// Minimum share of the requested tokens that must be generated. The shape of a batch can turn a
/// token into an early end.
const MUST_COME: f64 = 0.98;
/// Maximum share of a prompt that may come from a cache. Random words can begin alike.
const MAY_BE_CACHED: f64 = 0.1;

/// A row of this measurement.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    guests: usize,
    /// Whether our side and the bare loop use the optimised model file. The peer always uses the
    /// original.
    optimised: bool,
    /// Maximum number of rounds, because they take long.
    rounds: usize,
    bounds: Bounds,
}

const fn case(name: &'static str, guests: usize, rounds: usize) -> Case {
    Case {
        name,
        guests,
        optimised: false,
        rounds,
        bounds: Bounds {
            limit: Some(0.95),
            peer: Some(1.1),
        },
    }
}

/// All rows.
pub(crate) const CASES: [Case; 5] = [
    case("many.1", 1, 15),
    case("many.8", 8, 5),
    case("many.32", 32, 5),
    Case {
        optimised: true,
        bounds: Bounds {
            limit: None,
            peer: Some(1.4),
        },
        ..case("many.32.optimised", 32, 5)
    },
    Case {
        bounds: Bounds {
            limit: None,
            peer: None,
        },
        ..case("many.100", 100, 2)
    },
];

/// The prompts of all rows.
pub(crate) fn prompts() -> Steady {
    Steady::new(WORDS, ANSWER, 16)
}

/// Measures one row.
pub(crate) fn measure(bench: &Bench, case: &Case, steady: &mut Steady) -> Result<Row> {
    let file = if case.optimised {
        // As in `mynah run --optimize`, with a cache beside the results.
        let optimize = Optimize {
            target: Target::Auto,
            cache: bench.out.with_file_name("cache"),
        };
        let threads = u32::try_from(bench.threads)?;
        let converted = optimized(&bench.model, &optimize, threads, &mut |_| {})?;
        // If this CPU has fast kernels for the file's own types, `--optimize` serves the file
        // unchanged.
        converted.unwrap_or_else(|| bench.model.clone())
    } else {
        bench.model.clone()
    };
    let bare = Bare::load(&bench.model, CTX_SIZE, bench.threads)?;
    let prompts = steady.take(case.guests, &bare)?;
    let bare = if case.optimised {
        Bare::load(&file, CTX_SIZE, bench.threads)?
    } else {
        bare
    };
    let peer = bench.start_peer(case.name, case.guests, CTX_SIZE)?;

    let mut rounds = Vec::new();
    for round in 0..bench.rounds.min(case.rounds) {
        bench.say(&format!("{}: round {}", case.name, round + 1));
        let mut done = Round::default();
        for side in in_turn(round) {
            match side {
                // Loaded for this round only: its team of threads must be gone when the others
                // compute.
                Turn::Ours => {
                    let model = ours::load(&file, case.guests, CTX_SIZE)?;
                    let guest = Program::new("bench_stream", model, bench.runtime.handle())?;
                    done.ours = guests_rate(&guest, &prompts)?;
                }
                Turn::Limit => {
                    done.limit = Some(apart(|| {
                        let mut limit = bare.lockstep(case.guests, CTX_SIZE)?;
                        limit_rate(&mut limit, &prompts)
                    })?);
                }
                Turn::Peer => {
                    done.peer = peer.as_ref().map(|p| peer_rate(p, &prompts)).transpose()?
                }
            }
        }
        rounds.push(done);
    }
    Ok(Row::new(
        case.name,
        "tokens/s",
        Kind::Rate,
        &rounds,
        case.bounds,
    ))
}

fn guests_rate(guest: &Program, prompts: &[Vec<u32>]) -> Result<f64> {
    let begun = Instant::now();
    let instances: Vec<Instance> = prompts.iter().map(|p| guest.start(p, ANSWER)).collect();
    let printed: Vec<String> = instances
        .into_iter()
        .map(Instance::printed)
        .collect::<Result<_>>()?;
    let seconds = begun.elapsed().as_secs_f64();
    let mut tokens = 0.0;
    for (printed, prompt) in printed.iter().zip(prompts) {
        tokens += value(printed, "tokens")?;
        let cached = value(printed, "cached")?;
        ensure!(
            cached <= prompt.len() as f64 * MAY_BE_CACHED,
            "{cached} tokens of a prompt came out of a cache: both sides are to compute everything"
        );
    }
    let asked = prompts.len() as f64 * f64::from(ANSWER);
    ensure!(
        tokens >= asked * MUST_COME,
        "the model ended after {tokens} of {asked} tokens: choose other prompts"
    );
    Ok(tokens / seconds)
}

fn limit_rate(limit: &mut Lockstep<'_>, prompts: &[Vec<u32>]) -> Result<f64> {
    let run = limit.generate(prompts, ANSWER)?;
    Ok(prompts.len() as f64 * f64::from(ANSWER) / run.seconds)
}

fn peer_rate(peer: &Peer, prompts: &[Vec<u32>]) -> Result<f64> {
    let begun = Instant::now();
    let requests: Vec<Request> = prompts.iter().map(|p| peer.request(p, ANSWER)).collect();
    let arrivals: Vec<_> = requests
        .into_iter()
        .map(Request::finish)
        .collect::<Result<_>>()?;
    let seconds = begun.elapsed().as_secs_f64();
    let tokens: usize = arrivals.iter().map(Vec::len).sum();
    let asked = prompts.len() as f64 * f64::from(ANSWER);
    ensure!(
        tokens as f64 >= asked * MUST_COME,
        "the peer ended after {tokens} of {asked} tokens"
    );
    Ok(tokens as f64 / seconds)
}
