//! A long prompt arrives while a stream runs, and a short prompt half a second later. Measures how
//! long each delays the others.
//!
//! Both sides run the same sequence: the stream runs for a while, the long prompt is computed until
//! its first token, the short prompt until its first token, and then the stream is cancelled.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::bare::Bare;
use crate::ours::{self, Instance, Program};
use crate::peer::{Peer, Request};
use crate::prompts::{Steady, words};
use crate::report::{Bounds, Kind, Round, Row};
use crate::{Bench, Turn, in_turn};

/// Number of sequences.
const PARALLEL: usize = 4;
/// Context tokens per sequence.
const CTX_SIZE: u32 = 8192;
/// Maximum number of tokens of the stream, more than it generates before it is cancelled.
const STREAM_ANSWER: u32 = 8000;
const LONG_WORDS: usize = 4000;
const SHORT_WORDS: usize = 16;
/// Tokens of the answers to the long and the short prompt.
const ANSWER: u32 = 4;
/// Time from the start of the stream to the long prompt.
const RUN_UP: Duration = Duration::from_secs(1);
/// Time from the long prompt to the short one.
const BEHIND: Duration = Duration::from_millis(500);
/// Maximum number of rounds: one takes a minute.
const ROUNDS: usize = 3;

/// The rows of this measurement.
pub(crate) const NAMES: [&str; 3] = ["mixed.first-token", "mixed.token-gap", "mixed.long-prompt"];
/// Maximum waiting time as a share of the peer's.
const WAIT: Bounds = Bounds {
    limit: None,
    peer: Some(0.05),
};
/// Minimum speed for the long prompt as a share of the peer's.
const LONG: Bounds = Bounds {
    limit: None,
    peer: Some(0.8),
};

/// The times of one round of one side, in seconds.
#[derive(Debug, Clone, Copy)]
struct Waits {
    /// From the short prompt to its first token.
    first_token: f64,
    /// The longest gap between two tokens of the stream, from the long prompt to its first token.
    token_gap: f64,
    /// From the long prompt to its first token.
    long_prompt: f64,
}

/// The prompts of a round. They differ in each round, so that nothing of an earlier round is in a
/// cache.
struct Prompts {
    stream: Vec<u32>,
    long: Vec<u32>,
    short: Vec<u32>,
}

/// Measures all three rows.
pub(crate) fn measure(bench: &Bench, endless: &mut Steady) -> Result<Vec<Row>> {
    let bare = Bare::load(&bench.model, CTX_SIZE, bench.threads)?;
    let stream = endless.take(1, &bare)?.concat();
    let model = ours::load(&bench.model, PARALLEL, CTX_SIZE)?;
    let guest = Program::new("bench_arrivals", model, bench.runtime.handle())?;
    let peer = bench.start_peer("mixed", PARALLEL, CTX_SIZE)?;

    let mut rounds: Vec<(Waits, Option<Waits>)> = Vec::new();
    let mut long_tokens = 0.0;
    for round in 0..bench.rounds.min(ROUNDS) {
        bench.say(&format!("mixed: round {}", round + 1));
        let seed = round as u64;
        let prompts = Prompts {
            stream: stream.clone(),
            long: bare.tokens(&words(1000 + seed, LONG_WORDS)),
            short: bare.tokens(&words(2000 + seed, SHORT_WORDS)),
        };
        long_tokens = prompts.long.len() as f64;
        let (mut ours, mut theirs) = (None, None);
        for side in in_turn(round) {
            match (side, &peer) {
                (Turn::Ours, _) => ours = Some(run(&Side::Ours(&guest), &prompts)?),
                (Turn::Peer, Some(peer)) => {
                    theirs = Some(run(&Side::Peer(peer), &prompts)?);
                    peer.settle();
                }
                // The bare loop does not take part.
                (Turn::Limit, _) | (Turn::Peer, None) => {}
            }
        }
        rounds.push((ours.context("our side has a turn")?, theirs));
    }
    let row = |name, unit, kind, bounds, value: &dyn Fn(&Waits) -> f64| {
        let rounds: Vec<Round> = rounds
            .iter()
            .map(|(ours, peer)| Round {
                ours: value(ours),
                limit: None,
                peer: peer.as_ref().map(value),
            })
            .collect();
        Row::new(name, unit, kind, &rounds, bounds)
    };
    let [first_token, token_gap, long_prompt] = NAMES;
    Ok(vec![
        row(first_token, "s", Kind::Time, WAIT, &|w| w.first_token),
        row(token_gap, "s", Kind::Time, WAIT, &|w| w.token_gap),
        row(long_prompt, "tokens/s", Kind::Rate, LONG, &|w| {
            long_tokens / w.long_prompt
        }),
    ])
}

/// The side that answers.
enum Side<'a> {
    Ours(&'a Program),
    Peer(&'a Peer),
}

/// A running answer.
enum Answer {
    Ours(Instance),
    Peer(Request),
}

impl Side<'_> {
    fn ask(&self, prompt: &[u32], count: u32) -> Answer {
        match self {
            Self::Ours(guest) => Answer::Ours(guest.start(prompt, count)),
            Self::Peer(peer) => Answer::Peer(peer.request(prompt, count)),
        }
    }
}

impl Answer {
    fn finish(self) -> Result<Vec<Instant>> {
        match self {
            Self::Ours(instance) => instance.finish(),
            Self::Peer(request) => request.finish(),
        }
    }

    fn stop(self) -> Result<Vec<Instant>> {
        match self {
            Self::Ours(instance) => instance.stop(),
            Self::Peer(request) => request.stop(),
        }
    }
}

fn run(side: &Side<'_>, prompts: &Prompts) -> Result<Waits> {
    let stream = side.ask(&prompts.stream, STREAM_ANSWER);
    std::thread::sleep(RUN_UP);
    let long_asked = Instant::now();
    let long = side.ask(&prompts.long, ANSWER);
    std::thread::sleep(BEHIND);
    let short_asked = Instant::now();
    let short = side.ask(&prompts.short, ANSWER);

    let first = |arrivals: Vec<Instant>| arrivals.first().copied().context("no token came");
    let short_first = first(short.finish()?)?;
    let long_first = first(long.finish()?)?;
    let arrivals = stream.stop()?;
    Ok(Waits {
        first_token: (short_first - short_asked).as_secs_f64(),
        token_gap: longest_gap(&arrivals, long_asked, long_first).as_secs_f64(),
        long_prompt: (long_first - long_asked).as_secs_f64(),
    })
}

/// The longest gap between two tokens that overlaps the time between `from` and `to`.
fn longest_gap(arrivals: &[Instant], from: Instant, to: Instant) -> Duration {
    let before = arrivals.iter().copied().rfind(|&at| at <= from);
    let within = arrivals.iter().copied().filter(|&at| at > from && at < to);
    let after = arrivals.iter().copied().find(|&at| at >= to);
    // Without a token before or after, the gap is at least as long as the observed time.
    let mut last = before.unwrap_or(from);
    let mut longest = Duration::ZERO;
    for at in within.chain([after.unwrap_or(to)]) {
        longest = longest.max(at - last);
        last = at;
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_reaches_over_the_ends_of_the_window() {
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        let gap = |arrivals: &[u64], from, to| {
            let arrivals: Vec<Instant> = arrivals.iter().map(|&ms| at(ms)).collect();
            longest_gap(&arrivals, at(from), at(to)).as_millis()
        };
        assert_eq!(gap(&[0, 10, 20, 25, 40], 12, 30), 15, "25 to 40");
        assert_eq!(gap(&[0, 500, 510, 515], 505, 512), 10, "500 is before");
        assert_eq!(gap(&[0, 10], 12, 30), 20, "nothing came any more");
        assert_eq!(gap(&[], 12, 30), 18, "nothing came at all");
    }
}
