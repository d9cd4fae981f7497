//! Samples the next tokens of a step's sequences, on several threads if that is faster.

use mynah_core::TokenId;
use rayon::prelude::*;

use super::sequence::{NoToken, Sequence};

/// Minimum number of logits of a step for sampling on several threads. For fewer, waking the
/// threads takes longer than they save (about 20 microseconds).
const PARALLEL_LOGITS: usize = 1 << 19;

/// The next token of a sequence. `None` without logits.
pub(super) type Sampled = Option<Result<TokenId, NoToken>>;

/// The next tokens of these sequences, in their order, from their logits.
pub(super) fn sample(
    work: Vec<(&mut Sequence, Option<&[f32]>)>,
    threads: &rayon::ThreadPool,
) -> Vec<Sampled> {
    // Drawing takes about eight times as long as finding the highest.
    let effort: usize = work
        .iter()
        .map(|(sequence, logits)| {
            let factor = if sequence.is_costly() { 8 } else { 1 };
            factor * logits.map_or(0, <[f32]>::len)
        })
        .sum();
    let sample = |(sequence, logits): (&mut Sequence, Option<&[f32]>)| {
        logits.map(|logits| sequence.sample(logits))
    };
    if work.len() > 1 && effort >= PARALLEL_LOGITS {
        threads.install(|| work.into_par_iter().map(sample).collect())
    } else {
        work.into_iter().map(sample).collect()
    }
}
