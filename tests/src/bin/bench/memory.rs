//! The prefix cache: a prefix that many guests share, sessions that take turns on fewer sequences,
//! and a session that is resumed from host memory.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mynah_core::{Model, Outcome, Owner, Prompt, Session};
use mynah_settings::{KvType, Settings};
use tokio::runtime::Runtime;

use crate::bare::{Bare, apart};
use crate::ours::{self, Instance, Program};
use crate::peer::{Peer, Request};
use crate::prompts::words;
use crate::report::{Bounds, Kind, Round, Row};
use crate::{Bench, Turn, in_turn};

/// Thirty-two guests with one prefix: the time until all answers are complete, and the median time
/// to the first token.
pub(crate) const SHARED: [&str; 2] = ["shared-prefix.32", "shared-prefix.32.first-token"];
/// A turn of one of a hundred sessions on sixteen sequences, against a turn of one of sixteen.
pub(crate) const TURNS: &str = "turns.100";
/// Parking and resuming a session of 4,000 tokens, against a fiftieth of the time to compute it.
pub(crate) const RESUME: &str = "resume.4000";

/// Number of guests that share a prefix.
const GUESTS: usize = 32;
/// Words in the prefix, and in each guest's own part.
const PREFIX: usize = 400;
const OWN: usize = 16;
/// Tokens in each answer.
const ANSWER: u32 = 32;
/// Context tokens per sequence, on both sides.
const CTX_SIZE: u32 = 768;
/// Maximum number of rounds: the peer needs almost a minute for one.
const SHARED_ROUNDS: usize = 3;

/// Number of sessions that take turns, and of sequences.
const SESSIONS: usize = 100;
const PLACES: usize = 16;
/// Number of measured turns per session, after its first one.
const MEASURED: usize = 1;

/// Tokens of the session that is resumed, and the minimum factor by which that is faster than
/// computing it.
const LONG: usize = 4000;
const FASTER: f64 = 50.0;

/// A long prompt and its answer with an 8-bit KV cache, against 16 bits.
pub(crate) const KV_TYPE: [&str; 2] = ["kv-q8_0.prefill", "kv-q8_0.decode"];

/// The first token and the end of an answer, in seconds since the start of all.
#[derive(Debug, Clone, Copy)]
struct Times {
    whole: f64,
    first_token: f64,
}

/// `shared-prefix.32` and its time to the first token.
pub(crate) fn shared(bench: &Bench) -> Result<[Row; 2]> {
    let bare = Bare::load(&bench.model, CTX_SIZE, bench.threads)?;
    let peer = bench.start_peer("shared-prefix", GUESTS, CTX_SIZE)?;
    let (mut wholes, mut firsts) = (Vec::new(), Vec::new());
    for round in 0..bench.rounds.min(SHARED_ROUNDS) {
        bench.say(&format!("shared-prefix.32: round {}", round + 1));
        // New prompts in each round, because the peer keeps those of earlier rounds in its cache.
        let seed = 10_000 * (round as u64 + 1);
        let prefix = words(seed, PREFIX);
        let prompts: Vec<Vec<u32>> = (0..GUESTS as u64)
            .map(|guest| bare.tokens(&format!("{prefix}{}", words(seed + 1 + guest, OWN))))
            .collect();
        let (mut ours, mut theirs) = (None, None);
        for side in in_turn(round) {
            match side {
                Turn::Ours => {
                    let model = ours::load_sharing(&bench.model, GUESTS, CTX_SIZE)?;
                    let guest = Program::new("bench_arrivals", model, bench.runtime.handle())?;
                    ours = Some(guests(&guest, &prompts)?);
                }
                Turn::Peer => {
                    let times = peer.as_ref().map(|peer| clients(peer, &prompts));
                    theirs = times.transpose()?;
                }
                Turn::Limit => {}
            }
        }
        let ours = ours.context("ours had no turn")?;
        let row = |of: &dyn Fn(Times) -> f64| Round {
            ours: of(ours),
            limit: None,
            peer: theirs.map(of),
        };
        wholes.push(row(&|times| times.whole));
        firsts.push(row(&|times| times.first_token));
    }
    let bounds = |peer| Bounds {
        limit: None,
        peer: Some(peer),
    };
    Ok([
        Row::new(SHARED[0], "s", Kind::Time, &wholes, bounds(0.2)),
        Row::new(SHARED[1], "s", Kind::Time, &firsts, bounds(0.15)),
    ])
}

fn guests(guest: &Program, prompts: &[Vec<u32>]) -> Result<Times> {
    let begun = Instant::now();
    let instances: Vec<Instance> = prompts.iter().map(|p| guest.start(p, ANSWER)).collect();
    let arrivals = instances.into_iter().map(Instance::finish);
    times(begun, arrivals.collect::<Result<_>>()?)
}

fn clients(peer: &Peer, prompts: &[Vec<u32>]) -> Result<Times> {
    let begun = Instant::now();
    let requests: Vec<Request> = prompts
        .iter()
        .map(|prompt| peer.request_remembered(prompt, ANSWER))
        .collect();
    let arrivals = requests.into_iter().map(Request::finish);
    times(begun, arrivals.collect::<Result<_>>()?)
}

/// The time of the last token, and the median time of the first tokens.
fn times(begun: Instant, arrivals: Vec<Vec<Instant>>) -> Result<Times> {
    let since = |at: &Instant| at.saturating_duration_since(begun).as_secs_f64();
    let mut firsts = Vec::new();
    let mut whole: f64 = 0.0;
    for one in &arrivals {
        firsts.push(one.first().map(since).context("an answer had no token")?);
        whole = one.iter().map(since).fold(whole, f64::max);
    }
    firsts.sort_by(f64::total_cmp);
    let first_token = firsts.get(firsts.len() / 2).copied();
    Ok(Times {
        whole,
        first_token: first_token.context("there was no answer")?,
    })
}

/// A session and its tokens so far.
struct Talk {
    session: Session,
    tokens: Vec<u32>,
}

/// `turns.100`.
pub(crate) fn turns(bench: &Bench) -> Result<Row> {
    let mut rounds = Vec::new();
    let bare = Bare::load(&bench.model, CTX_SIZE, bench.threads)?;
    let begins: Vec<Vec<u32>> = (0..SESSIONS as u64)
        .map(|seed| bare.tokens(&words(200 + seed, 128)))
        .collect();
    for round in 0..bench.rounds.min(SHARED_ROUNDS) {
        bench.say(&format!("{TURNS}: round {}", round + 1));
        let latency = |sessions: usize| -> Result<f64> {
            let model = ours::load(&bench.model, PLACES, CTX_SIZE)?;
            let begins = begins.iter().take(sessions);
            let mut talks = begins
                .map(|begin| {
                    Ok(Talk {
                        session: model.session(Owner::unique())?,
                        tokens: begin.clone(),
                    })
                })
                .collect::<Result<Vec<Talk>>>()?;
            let mut measured = Vec::new();
            for turn in 0..=MEASURED {
                for talk in &mut talks {
                    let begun = Instant::now();
                    let outcome = say(&bench.runtime, talk)?;
                    if turn > 0 {
                        measured.push(begun.elapsed().as_secs_f64());
                        let usage = outcome.usage;
                        ensure!(
                            usage.cached_tokens * 2 > usage.prompt_tokens,
                            "a session was not remembered: {usage:?}"
                        );
                    }
                }
            }
            measured.sort_by(f64::total_cmp);
            let median = measured.get(measured.len() / 2).copied();
            median.context("nothing was measured")
        };
        let resident = latency(PLACES)?;
        rounds.push(Round {
            ours: latency(SESSIONS)?,
            limit: Some(resident),
            peer: None,
        });
    }
    let bounds = Bounds {
        limit: Some(1.3),
        peer: None,
    };
    Ok(Row::new(TURNS, "s", Kind::Time, &rounds, bounds))
}

/// Sends sixteen more tokens, and generates as many.
fn say(runtime: &Runtime, talk: &mut Talk) -> Result<Outcome> {
    let next: Vec<u32> = talk.tokens.iter().rev().take(16).copied().collect();
    talk.tokens.extend(next);
    let prompt = Prompt::Tokens(talk.tokens.clone());
    runtime.block_on(async {
        let mut generation = talk.session.start(prompt, tokens_of(16)).await?;
        ours::outcome(&mut generation).await
    })
}

fn tokens_of(count: u32) -> Settings {
    let mut settings = mynah_tests::greedy(count);
    settings.stopping.ignore_eos = Some(true);
    settings
}

/// `resume.4000`.
pub(crate) fn resume(bench: &Bench) -> Result<Row> {
    let bare = Bare::load(&bench.model, CTX_SIZE, bench.threads)?;
    let long: Vec<u32> = bare
        .tokens(&words(9, LONG))
        .into_iter()
        .take(LONG)
        .collect();
    ensure!(long.len() == LONG, "the prompt has {} tokens", long.len());
    let short = bare.tokens("A short one");
    let mut rounds = Vec::new();
    for round in 0..bench.rounds.min(SHARED_ROUNDS) {
        bench.say(&format!("{RESUME}: round {}", round + 1));
        let ctx_size = u32::try_from(LONG)? + 256;
        // On its own thread, which has ended when the next model computes.
        let (computed, resumed) = apart(|| {
            let model = ours::load(&bench.model, 1, ctx_size)?;
            times_of(bench, &model, &long, &short)
        })?;
        rounds.push(Round {
            ours: resumed.as_secs_f64(),
            limit: Some(computed.as_secs_f64() / FASTER),
            peer: None,
        });
    }
    let bounds = Bounds {
        limit: Some(1.0),
        peer: None,
    };
    Ok(Row::new(RESUME, "s", Kind::Time, &rounds, bounds))
}

/// The time to the first token of the long prompt, first without a cache, then when it is parked
/// for a short prompt and resumed. The second time includes the short prompt and both first tokens.
fn times_of(
    bench: &Bench,
    model: &Model,
    long: &[u32],
    short: &[u32],
) -> Result<(Duration, Duration)> {
    let mut first = model.session(Owner::unique())?;
    let mut second = model.session(Owner::unique())?;
    let ask = |session: &mut Session, prompt: &[u32]| {
        let prompt = Prompt::Tokens(prompt.to_vec());
        bench.runtime.block_on(async {
            let mut generation = session.start(prompt, tokens_of(1)).await?;
            ours::outcome(&mut generation).await
        })
    };
    let begun = Instant::now();
    ask(&mut first, long)?;
    let computed = begun.elapsed();
    // Once before, so that both are in memory.
    ask(&mut second, short)?;
    ask(&mut first, long)?;
    let begun = Instant::now();
    ask(&mut second, short)?;
    let outcome = ask(&mut first, long)?;
    let resumed = begun.elapsed();
    ensure!(
        outcome.usage.cached_tokens as usize == LONG - 1,
        "it was not remembered: {outcome:?}"
    );
    Ok((computed, resumed))
}

/// `kv-q8_0`: the cost in time of `kv_type` q8_0.
pub(crate) fn kv_type(bench: &Bench) -> Result<[Row; 2]> {
    const PROMPT: usize = 1500;
    let bare = Bare::load(&bench.model, CTX_SIZE, bench.threads)?;
    let prompt: Vec<u32> = bare
        .tokens(&words(11, PROMPT))
        .into_iter()
        .take(PROMPT)
        .collect();
    let (mut prefills, mut decodes) = (Vec::new(), Vec::new());
    for round in 0..bench.rounds {
        bench.say(&format!("kv-q8_0: round {}", round + 1));
        let usage = |kv_type: KvType| {
            apart(|| {
                let model =
                    ours::load_with(&bench.model, 1, 2048, |config| config.kv_type = kv_type)?;
                let mut session = model.session(Owner::unique())?;
                let prompt = Prompt::Tokens(prompt.clone());
                let outcome = bench.runtime.block_on(async {
                    let mut generation = session.start(prompt, tokens_of(64)).await?;
                    ours::outcome(&mut generation).await
                })?;
                Ok(outcome.usage)
            })
        };
        let (mut packed, mut whole) = (None, None);
        for side in in_turn(round) {
            match side {
                Turn::Ours => packed = Some(usage(KvType::Q8_0)?),
                Turn::Limit => whole = Some(usage(KvType::F16)?),
                Turn::Peer => {}
            }
        }
        let (packed, whole) = packed.zip(whole).context("a side had no turn")?;
        let of = |ours: Duration, limit: Duration| Round {
            ours: ours.as_secs_f64(),
            limit: Some(limit.as_secs_f64()),
            peer: None,
        };
        prefills.push(of(packed.prefill_time, whole.prefill_time));
        decodes.push(of(packed.decode_time, whole.decode_time));
    }
    let bounds = || Bounds {
        limit: None,
        peer: None,
    };
    Ok([
        Row::new(KV_TYPE[0], "s", Kind::Time, &prefills, bounds()),
        Row::new(KV_TYPE[1], "s", Kind::Time, &decodes, bounds()),
    ])
}
