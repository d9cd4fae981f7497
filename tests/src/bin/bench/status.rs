//! The cost of reading the status: guests generate while a thread reads the status a thousand times
//! a second.

use std::hint::black_box;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mynah_core::{Model, Prompt};

use crate::Bench;
use crate::ours::{self, Instance, Program, value};
use crate::prompts::words;
use crate::report::{Bounds, Kind, Round, Row};

/// Tokens per second of all guests with a reader that reads ten times per wake-up, against no
/// reader.
pub(crate) const COST: &str = "status.cost";
/// The same with a reader that reads once per wake-up, against one that wakes up as often without
/// reading.
pub(crate) const READ: &str = "status.read";

/// Number of guests.
const GUESTS: u32 = 8;
/// Words in each prompt, and tokens in each answer.
const WORDS: usize = 16;
const ANSWER: u32 = 128;
/// Context tokens per sequence.
const CTX_SIZE: u32 = 256;
/// Measurements of each side in a round. Two runs in a row differ by more than the hundredth that
/// is measured.
const PAIRS: u32 = 6;
/// Reads per second.
const READS: u32 = 1000;
/// Minimum share of the planned reads that must take place. Other work of the machine may delay
/// some.
const MUST_BE_READ: f64 = 0.9;
/// The loss must be below one hundredth.
const BOUNDS: Bounds = Bounds {
    limit: Some(0.99),
    peer: None,
};

/// The reader's behaviour while guests generate.
#[derive(Debug, Clone, Copy)]
struct Looks {
    /// Wake-ups per second.
    wakes: u32,
    /// Reads of the status per wake-up.
    reads: u32,
}

/// `status.cost`.
pub(crate) fn cost(bench: &Bench) -> Result<Row> {
    let looks = Looks {
        wakes: READS / 10,
        reads: 10,
    };
    compare(bench, COST, looks, None)
}

/// `status.read`. A thread that wakes up takes a core from one of the worker's threads, and the
/// others wait for that thread. On a machine without a spare core this alone costs more than any
/// read.
pub(crate) fn read(bench: &Bench) -> Result<Row> {
    let looks = |reads| Looks {
        wakes: READS,
        reads,
    };
    compare(bench, READ, looks(1), Some(looks(0)))
}

/// Compares guests beside the reader `ours` with guests beside the reader `limit`.
fn compare(bench: &Bench, name: &'static str, ours: Looks, limit: Option<Looks>) -> Result<Row> {
    // One model for all rounds, so that both sides have the same conditions.
    let model = ours::load_with(&bench.model, GUESTS as usize, CTX_SIZE, |config| {
        config.defaults.stopping.ignore_eos = Some(true);
    })?;
    let prompts: Vec<Vec<u32>> = (0..u64::from(GUESTS))
        .map(|guest| {
            let prompt = Prompt::Text(words(guest, WORDS));
            Ok(bench.runtime.block_on(model.tokens(prompt))?)
        })
        .collect::<Result<_>>()?;
    let guest = Program::new("bench_stream", model.clone(), bench.runtime.handle())?;
    let beside = |looks: Option<Looks>| {
        let looks = looks.map(|looks| Reader::start(model.clone(), looks));
        let reader = looks.transpose()?;
        let took = time(&guest, &prompts)?;
        reader.map_or(Ok(()), Reader::stop)?;
        anyhow::Ok(took)
    };
    // The side that goes first alternates, so that both see the same machine.
    let pair = |turn: u32| {
        if turn.is_multiple_of(2) {
            let limit = beside(limit)?;
            anyhow::Ok((beside(Some(ours))?, limit))
        } else {
            let ours = beside(Some(ours))?;
            Ok((ours, beside(limit)?))
        }
    };
    bench.say(&format!("{name}: warm up"));
    pair(0)?;
    let tokens = f64::from(PAIRS * GUESTS * ANSWER);
    let mut rounds = Vec::new();
    for round in 1..=bench.rounds {
        bench.say(&format!("{name}: round {round}"));
        let (mut ours, mut limit) = (Duration::ZERO, Duration::ZERO);
        for turn in 0..PAIRS {
            let took = pair(turn)?;
            ours += took.0;
            limit += took.1;
        }
        rounds.push(Round {
            ours: tokens / ours.as_secs_f64(),
            limit: Some(tokens / limit.as_secs_f64()),
            peer: None,
        });
    }
    Ok(Row::new(name, "tokens/s", Kind::Rate, &rounds, BOUNDS))
}

/// The time until all guests have ended.
fn time(guest: &Program, prompts: &[Vec<u32>]) -> Result<Duration> {
    let begun = Instant::now();
    let instances: Vec<Instance> = prompts.iter().map(|p| guest.start(p, ANSWER)).collect();
    let mut tokens = 0.0;
    for instance in instances {
        tokens += value(&instance.printed()?, "tokens")?;
    }
    let asked = f64::from(GUESTS * ANSWER);
    ensure!(tokens == asked, "{tokens} of {asked} tokens came");
    Ok(begun.elapsed())
}

/// Reads the status repeatedly as `/status` does: the report, and its JSON.
struct Reader {
    stop: mpsc::Sender<()>,
    thread: std::thread::JoinHandle<Result<u32>>,
    begun: Instant,
    looks: Looks,
}

impl Reader {
    fn start(model: Model, looks: Looks) -> Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let begun = Instant::now();
        let every = Duration::from_secs(1) / looks.wakes;
        let thread = std::thread::Builder::new()
            .name("reader".to_owned())
            .spawn(move || {
                let mut wakes = 0;
                loop {
                    for _ in 0..looks.reads {
                        black_box(serde_json::to_string(&model.report())?);
                    }
                    wakes += 1;
                    // The next wake-up is due by the clock, so that late ones are made up for.
                    let due = begun + every * wakes;
                    let left = due.saturating_duration_since(Instant::now());
                    if stopped.recv_timeout(left) != Err(RecvTimeoutError::Timeout) {
                        return Ok(wakes);
                    }
                }
            })?;
        Ok(Self {
            stop,
            thread,
            begun,
            looks,
        })
    }

    fn stop(self) -> Result<()> {
        drop(self.stop);
        let wakes = self.thread.join();
        let wakes = wakes.ok().context("the reader panicked")??;
        let wanted = self.begun.elapsed().as_secs_f64() * f64::from(self.looks.wakes);
        ensure!(
            f64::from(wakes) >= wanted * MUST_BE_READ,
            "the reader woke up {wakes} times of {wanted:.0}"
        );
        Ok(())
    }
}
