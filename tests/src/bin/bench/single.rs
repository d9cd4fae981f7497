//! One guest that reads a stream, against a loop that only decodes and takes the most likely token.

use anyhow::Result;
use mynah_settings::{ModelConfig, Settings};

use crate::report::{Bounds, Kind, Round, Row};
use crate::{Bench, bare, guests};

/// Tokens in the prompt.
const PROMPT: usize = 64;
/// Tokens in the answer.
const ANSWER: u32 = 128;
/// Minimum speed of a guest as a share of the bare loop's.
const BOUNDS: Bounds = Bounds {
    limit: Some(0.95),
    peer: None,
};

/// Times of the two phases of a generation, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Phases {
    pub(crate) prefill: f64,
    pub(crate) decode: f64,
}

/// `single.decode` and `single.prefill`.
pub(crate) fn measure(bench: &Bench) -> Result<[Row; 2]> {
    let config = ModelConfig {
        defaults: Settings::greedy(),
        ..ModelConfig::default()
    };
    let bare = bare::Bare::load(&bench.model, config.batch_size, bench.threads)?;
    let prompt = bare.prompt(PROMPT);
    // Loaded for this round only: its team of threads must be gone when the bare loop computes.
    let ours = || {
        let model = mynah_engine::load(&bench.model, config.clone(), |_| {})?;
        let stream = guests::stream(&model, &prompt, ANSWER);
        bench.runtime.block_on(stream)
    };
    let bare = || bare::apart(|| bare.context()?.generate(&prompt, ANSWER));

    let (mut prefill, mut decode) = (Vec::new(), Vec::new());
    // The first round warms both up.
    for round in 0..=bench.rounds {
        // The sides alternate in going first, because the machine is warmer for the second.
        let (ours, limit) = if round % 2 == 0 {
            let limit = bare()?;
            (ours()?, limit)
        } else {
            let ours = ours()?;
            (ours, bare()?)
        };
        if round > 0 {
            let rates = |count: f64, ours: f64, limit: f64| Round {
                ours: count / ours,
                limit: Some(count / limit),
                peer: None,
            };
            prefill.push(rates(PROMPT as f64, ours.prefill, limit.prefill));
            decode.push(rates(f64::from(ANSWER - 1), ours.decode, limit.decode));
        }
    }
    let row = |name, rounds: &[Round]| Row::new(name, "tokens/s", Kind::Rate, rounds, BOUNDS);
    Ok([
        row("single.decode", &decode),
        row("single.prefill", &prefill),
    ])
}
