//! The next tokens of a step's sequences, chosen by several threads where that pays.

use crate::llama::TokenId;
use rayon::prelude::*;

use super::engine::Engine;
use super::executor::Executor;
use super::sequence::{NoToken, Sequence};

/// Logits of a step from which its sequences are sampled by several threads: below, waking them
/// takes longer than what they save (about 20 microseconds).
const PARALLEL_LOGITS: usize = 1 << 19;

impl<C: Executor> Engine<'_, C> {
    /// The next tokens of those that have an output in this step, in their order; `None` without
    /// logits.
    pub(super) fn sample(&mut self) -> Vec<Option<Result<TokenId, NoToken>>> {
        let compute = &self.kv.compute;
        let mut work: Vec<(&mut Sequence, Option<&[f32]>)> = Vec::new();
        for sequence in &mut self.running {
            if let Some(output) = sequence.output() {
                work.push((sequence, compute.logits(output)));
            }
        }
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
            self.samplers
                .install(|| work.into_par_iter().map(sample).collect())
        } else {
            work.into_iter().map(sample).collect()
        }
    }
}
