//! Measures one model: its speed for prompts and answers, and its predictions.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mynah_core::{Error, Result, TokenId};
use mynah_llama::{Ability, Batch, Context, ContextParams, DecodeError, LlamaModel};
use mynah_settings::{KvType, ModelConfig};

use crate::EngineError;
use crate::model::info;
use crate::model::weights::{load_weights, open_files};

/// Number of tokens of the prompt for measuring the prompt speed.
pub const PREFILL_TOKENS: usize = 512;

/// Numbers of sequences for measuring the decoding speed.
pub const DECODE_SEQUENCES: [u32; 3] = [1, 8, 32];

/// Maximum number of logits rows of one decode. A context has one for each of its sequences.
pub(super) const ROWS: usize = 32;

/// Maximum number of tokens of one decode step, the default for serving a model.
const BATCH: usize = ModelConfig::DEFAULT_BATCH_SIZE as usize;

/// Number of tokens of each sequence before its decoding is measured.
const PROMPT_TOKENS: u32 = 4;

/// Number of steps of one measurement.
const DECODE_STEPS: u32 = 32;

/// Number of KV cells for the largest measurement.
const CELLS: u32 = ROWS as u32 * (PROMPT_TOKENS + DECODE_STEPS);

/// Maximum duration of one measurement. It then ends early and counts the steps so far, because
/// large models take long.
const PATIENCE: Duration = Duration::from_secs(3);

/// The speed of a model on this machine: tokens per second of all sequences together, without
/// sampling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// Prompt speed, for [`PREFILL_TOKENS`] tokens, or for as many as the model was trained on if
    /// that is less.
    pub prefill: f64,
    /// Decoding speed for the numbers of sequences in [`DECODE_SEQUENCES`], with one token of each
    /// in a step.
    pub decode: [f64; 3],
}

/// A model to measure.
pub(super) struct Subject {
    context: Context,
    model: Arc<LlamaModel>,
    /// Context size that it was trained with, in tokens.
    pub(super) trained: usize,
}

impl Subject {
    pub(super) fn load(path: &Path, threads: u32) -> Result<Self> {
        let (files, header) = open_files(path)?;
        let (model, ability) = load_weights(files, &header, None, |_| true)?;
        if ability == Ability::Embed {
            return Err(Error::VectorsOnly {
                model: info::name(&header, path),
                architecture: info::architecture(&header),
            });
        }
        let positions = header.positions();
        let needed = PROMPT_TOKENS + DECODE_STEPS;
        if let Some(positions) = positions.filter(|&count| count < needed) {
            let reason = format!("it has {positions} positions, and {needed} are needed");
            return Err(EngineError::Measure { reason }.into());
        }
        let params = ContextParams {
            positions,
            cells: CELLS,
            split: false,
            batch: BATCH as u32,
            sequences: ROWS as u32,
            threads,
            kv_type: KvType::F16,
            swa_full: false,
            embeddings: false,
        };
        let context = Context::new(Arc::clone(&model), params);
        let context = context.map_err(|error| EngineError::Measure {
            reason: error.to_string(),
        })?;
        Ok(Self {
            context,
            trained: model.n_ctx_train() as usize,
            model,
        })
    }

    pub(super) fn vocabulary(&self) -> i32 {
        self.model.n_vocab()
    }

    /// The tokens of a text as a prompt.
    pub(super) fn tokens(&self, text: &str) -> Vec<TokenId> {
        self.model.vocab().tokenize(text.as_bytes(), true, true)
    }

    /// Removes all sequences.
    pub(super) fn clear(&mut self) {
        for sequence in 0..ROWS as u32 {
            self.context.clear_sequence(sequence);
        }
    }

    pub(super) fn decode(&mut self, batch: &mut Batch) -> Result<()> {
        let decoded = self.context.decode(batch, &|| false);
        decoded.map(drop).map_err(unmeasured)
    }

    pub(super) fn logits(&self, index: usize) -> Option<&[f32]> {
        self.context.logits(index)
    }

    pub(super) fn speed(&mut self) -> Result<Speed> {
        let mut decode = [0.0; 3];
        for (speed, sequences) in decode.iter_mut().zip(DECODE_SEQUENCES) {
            *speed = self.decode_speed(sequences)?;
        }
        Ok(Speed {
            prefill: self.prefill_speed()?,
            decode,
        })
    }

    /// A token. Its value does not affect the speed.
    fn token(&self, number: u32) -> TokenId {
        let known = self.vocabulary().unsigned_abs().max(1);
        TokenId((number % known).cast_signed())
    }

    fn prefill_speed(&mut self) -> Result<f64> {
        self.clear();
        let length = PREFILL_TOKENS.min(self.trained).max(1);
        let mut batch = Batch::default();
        let begun = Instant::now();
        let mut done = 0_u32;
        while (done as usize) < length && begun.elapsed() < PATIENCE {
            batch.clear();
            for _ in 0..BATCH.min(length - done as usize) {
                let is_last = done as usize + 1 == length;
                batch.push(self.token(done), done, 0, is_last);
                done += 1;
            }
            self.decode(&mut batch)?;
        }
        Ok(f64::from(done) / begun.elapsed().as_secs_f64())
    }

    fn decode_speed(&mut self, sequences: u32) -> Result<f64> {
        self.clear();
        let mut batch = Batch::default();
        // All prompts fit into one batch.
        batch.clear();
        for sequence in 0..sequences {
            for position in 0..PROMPT_TOKENS {
                batch.push(self.token(sequence + position), position, sequence, false);
            }
        }
        self.decode(&mut batch)?;
        let begun = Instant::now();
        let mut steps = 0;
        while steps < DECODE_STEPS && begun.elapsed() < PATIENCE {
            batch.clear();
            for sequence in 0..sequences {
                let position = PROMPT_TOKENS + steps;
                batch.push(self.token(sequence + position), position, sequence, true);
            }
            self.decode(&mut batch)?;
            steps += 1;
        }
        Ok(f64::from(steps * sequences) / begun.elapsed().as_secs_f64())
    }
}

fn unmeasured(error: DecodeError) -> Error {
    EngineError::Measure {
        reason: error.to_string(),
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_holds_what_is_measured() {
        assert!(PREFILL_TOKENS <= CELLS as usize);
        assert!(ROWS * PROMPT_TOKENS as usize <= BATCH);
        assert!(DECODE_SEQUENCES.iter().all(|&count| count as usize <= ROWS));
    }
}
