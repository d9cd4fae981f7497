//! What looking costs: guests that generate while somebody reads the status a thousand times a second, against nobody.

use std::hint::black_box;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mynah_engine::{Model, Prompt};

use crate::Bench;
use crate::ours::{self, Instance, Program, value};
use crate::prompts::words;
use crate::report::{Bounds, Kind, Round, Row};

/// Tokens per second of all guests together, with the reads and without.
pub(crate) const COST: &str = "status.cost";

/// Guests that generate at once.
const GUESTS: u32 = 8;
/// Words of each prompt, and tokens of each answer.
const WORDS: usize = 16;
const ANSWER: u32 = 128;
/// Tokens of context for each sequence.
const CTX_SIZE: u32 = 256;
/// Time from one read to the next.
const EVERY: Duration = Duration::from_millis(1);
/// Of the reads that were to be done, the share that must have been: the machine's other work may delay some.
const MUST_BE_READ: f64 = 0.9;
/// Less than a hundredth is lost.
const BOUNDS: Bounds = Bounds {
    limit: Some(0.99),
    peer: None,
};

/// `status.cost`.
pub(crate) fn cost(bench: &Bench) -> Result<Row> {
    // One model for all rounds, so that both sides have the same of everything.
    let model = ours::load_with(&bench.model, GUESTS as usize, CTX_SIZE, |config| {
        config.defaults.stopping.ignore_eos = Some(true);
    })?;
    let prompts: Vec<Vec<u32>> = (0..u64::from(GUESTS))
        .map(|guest| Ok(model.tokens(Prompt::Text(words(guest, WORDS)))?))
        .collect::<Result<_>>()?;
    let guest = Program::new("bench_stream", model.clone(), bench.runtime.handle())?;
    let unread = || rate(&guest, &prompts);
    let read = || {
        let reader = Reader::start(model.clone())?;
        let rate = rate(&guest, &prompts)?;
        reader.stop()?;
        anyhow::Ok(rate)
    };
    let mut rounds = Vec::new();
    // The first round warms both up.
    for round in 0..=bench.rounds {
        bench.say(&format!("{COST}: round {round}"));
        let (ours, limit) = if round % 2 == 0 {
            let limit = unread()?;
            (read()?, limit)
        } else {
            let ours = read()?;
            (ours, unread()?)
        };
        if round > 0 {
            rounds.push(Round {
                ours,
                limit: Some(limit),
                peer: None,
            });
        }
    }
    Ok(Row::new(COST, "tokens/s", Kind::Rate, &rounds, BOUNDS))
}

fn rate(guest: &Program, prompts: &[Vec<u32>]) -> Result<f64> {
    let begun = Instant::now();
    let instances: Vec<Instance> = prompts.iter().map(|p| guest.start(p, ANSWER)).collect();
    let mut tokens = 0.0;
    for instance in instances {
        tokens += value(&instance.printed()?, "tokens")?;
    }
    let asked = f64::from(GUESTS * ANSWER);
    ensure!(tokens == asked, "{tokens} of {asked} tokens came");
    Ok(tokens / begun.elapsed().as_secs_f64())
}

/// Reads the status again and again, as `/status` does: the report, and its JSON.
struct Reader {
    stop: mpsc::Sender<()>,
    thread: std::thread::JoinHandle<Result<u32>>,
    begun: Instant,
}

impl Reader {
    fn start(model: Model) -> Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let begun = Instant::now();
        let thread = std::thread::Builder::new()
            .name("reader".to_owned())
            .spawn(move || {
                let mut reads = 0;
                loop {
                    black_box(serde_json::to_string(&model.report())?);
                    reads += 1;
                    // The next one is due by the clock, so that slow ones are made up for.
                    let due = begun + EVERY * reads;
                    let left = due.saturating_duration_since(Instant::now());
                    if stopped.recv_timeout(left) != Err(RecvTimeoutError::Timeout) {
                        return Ok(reads);
                    }
                }
            })?;
        Ok(Self {
            stop,
            thread,
            begun,
        })
    }

    fn stop(self) -> Result<()> {
        drop(self.stop);
        let reads = self.thread.join();
        let reads = reads.ok().context("the reader panicked")??;
        let wanted = self.begun.elapsed().as_secs_f64() / EVERY.as_secs_f64();
        ensure!(
            f64::from(reads) >= wanted * MUST_BE_READ,
            "only {reads} of {wanted:.0} reads were done"
        );
        Ok(())
    }
}
