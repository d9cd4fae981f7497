//! The limit: llama.cpp in a bare decode loop, for one sequence, and for many in lockstep.

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;

use crate::single::Phases;

/// The text of the prompts. This one does not make the model end early.
const TEXT: &str = "Here is a long list of things that one can see on a walk through a large city: \
    houses, streets, shops, people, cars, trees, bridges, rivers, parks, towers, markets, schools, \
    churches, museums, stations, and many more. The list goes on with houses, streets, shops, \
    people, cars, trees, bridges, rivers, parks, towers, ";

/// A model without a host.
pub(crate) struct Bare {
    backend: &'static LlamaBackend,
    model: LlamaModel,
    batch: u32,
    threads: i32,
}

/// Sizes in tokens of the logical and the physical batch for many sequences: the defaults of
/// llama.cpp and of its server.
const N_BATCH: u32 = 2048;
const N_UBATCH: u32 = 512;

/// A context for many sequences.
pub(crate) struct Lockstep<'a> {
    context: LlamaContext<'a>,
    model: &'a LlamaModel,
}

/// The result of a run in lockstep.
pub(crate) struct Run {
    /// From the first prompt token to the last token of all answers.
    pub(crate) seconds: f64,
    /// For each sequence, whether the model ended it early. The loop treats an end-of-generation
    /// token like any other.
    pub(crate) ends_early: Vec<bool>,
}

/// A context for one sequence.
pub(crate) struct BareContext<'a> {
    context: LlamaContext<'a>,
    batch: usize,
}

/// Runs decoding work on its own thread.
///
/// libgomp keeps a team of threads for every thread that has computed, until that thread ends. If
/// there are more teams than cores, their threads wait in the kernel instead of spinning, which
/// halves the speed. A served model is alone with its team.
pub(crate) fn apart<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let joined = std::thread::scope(|scope| scope.spawn(work).join());
    joined.unwrap_or_else(|_| anyhow::bail!("the bare loop panicked"))
}

impl Bare {
    pub(crate) fn load(path: &Path, batch: u32, threads: usize) -> Result<Self> {
        let backend = mynah_engine::llama_backend()?;
        // Loading uses a team of threads, too, to repack the weights.
        let model = apart(|| {
            let params = LlamaModelParams::default();
            Ok(LlamaModel::load_from_file(backend, path, &params)?)
        })?;
        Ok(Self {
            backend,
            model,
            batch,
            threads: i32::try_from(threads)?,
        })
    }

    /// Tokenizes a text as a prompt.
    pub(crate) fn tokens(&self, text: &str) -> Vec<u32> {
        let tokens = self.model.vocab().tokenize(text.as_bytes(), true, true);
        tokens.iter().map(|token| token.0.unsigned_abs()).collect()
    }

    /// The first `length` tokens of the text, which is repeated if necessary.
    pub(crate) fn prompt(&self, length: usize) -> Vec<u32> {
        self.tokens(TEXT).into_iter().cycle().take(length).collect()
    }

    /// A context for this number of sequences, with `ctx_size` tokens each.
    pub(crate) fn lockstep(&self, sequences: usize, ctx_size: u32) -> Result<Lockstep<'_>> {
        let sequences = u32::try_from(sequences)?;
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(sequences * ctx_size))
            .with_n_seq_max(sequences)
            .with_n_batch(N_BATCH)
            .with_n_ubatch(N_UBATCH)
            .with_n_threads(self.threads)
            .with_n_threads_batch(self.threads);
        Ok(Lockstep {
            context: self.model.new_context(self.backend, params)?,
            model: &self.model,
        })
    }

    pub(crate) fn context(&self) -> Result<BareContext<'_>> {
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(2048))
            .with_n_batch(self.batch)
            .with_n_ubatch(self.batch)
            .with_n_threads(self.threads)
            .with_n_threads_batch(self.threads);
        Ok(BareContext {
            context: self.model.new_context(self.backend, params)?,
            batch: usize::try_from(self.batch)?,
        })
    }
}

impl BareContext<'_> {
    /// Computes the prompt and decodes `count` tokens. Each token is the most likely one, even if
    /// it ends the generation.
    pub(crate) fn generate(&mut self, prompt: &[u32], count: u32) -> Result<Phases> {
        self.context.clear_kv_cache();
        let mut greedy = LlamaSampler::greedy();
        let mut batch = LlamaBatch::new(self.batch, 1);
        let begun = Instant::now();
        let mut position = 0;
        for chunk in prompt.chunks(self.batch) {
            batch.clear();
            for &id in chunk {
                let last = usize::try_from(position)? + 1 == prompt.len();
                batch.add(LlamaToken(i32::try_from(id)?), position, &[0], last)?;
                position += 1;
            }
            self.context.decode(&mut batch)?;
        }
        let last = batch.n_tokens() - 1;
        let mut token = greedy.sample(&self.context, last);
        let prefill = begun.elapsed();
        let begun = Instant::now();
        for _ in 1..count {
            batch.clear();
            batch.add(token, position, &[0], true)?;
            position += 1;
            self.context.decode(&mut batch).context("bare decode")?;
            token = greedy.sample(&self.context, 0);
        }
        Ok(Phases {
            prefill: prefill.as_secs_f64(),
            decode: begun.elapsed().as_secs_f64(),
        })
    }
}

/// A sequence of the lockstep run.
struct Lane {
    position: i32,
    /// Index of its logits in the batch, if it has any.
    output: Option<i32>,
    token: LlamaToken,
}

impl Lockstep<'_> {
    /// Computes all prompts, then decodes the most likely token of each sequence in every step.
    pub(crate) fn generate(&mut self, prompts: &[Vec<u32>], count: u32) -> Result<Run> {
        self.context.clear_kv_cache();
        let n_batch = usize::try_from(N_BATCH)?;
        let mut batch = LlamaBatch::new(n_batch, 1);
        let mut lanes: Vec<Lane> = Vec::new();
        let mut ends_early = vec![false; prompts.len()];
        let begun = Instant::now();
        for (id, prompt) in prompts.iter().enumerate() {
            if usize::try_from(batch.n_tokens())? + prompt.len() > n_batch {
                self.step(&mut batch, &mut lanes, &mut ends_early)?;
            }
            for (position, &token) in prompt.iter().enumerate() {
                let last = position + 1 == prompt.len();
                let token = LlamaToken(i32::try_from(token)?);
                batch.add(token, i32::try_from(position)?, &[i32::try_from(id)?], last)?;
            }
            lanes.push(Lane {
                position: i32::try_from(prompt.len())?,
                output: Some(batch.n_tokens() - 1),
                token: LlamaToken(0),
            });
        }
        self.step(&mut batch, &mut lanes, &mut ends_early)?;
        for _ in 1..count {
            for (id, lane) in lanes.iter_mut().enumerate() {
                lane.output = Some(batch.n_tokens());
                batch.add(lane.token, lane.position, &[i32::try_from(id)?], true)?;
                lane.position += 1;
            }
            self.step(&mut batch, &mut lanes, &mut ends_early)?;
        }
        Ok(Run {
            seconds: begun.elapsed().as_secs_f64(),
            ends_early,
        })
    }

    /// Decodes the batch and takes the most likely token of each sequence that has logits in it.
    fn step(
        &mut self,
        batch: &mut LlamaBatch,
        lanes: &mut [Lane],
        ends: &mut [bool],
    ) -> Result<()> {
        self.context.decode(batch).context("bare decode")?;
        let vocabulary = self.model.vocab();
        let mut greedy = LlamaSampler::greedy();
        for (lane, ends) in lanes.iter_mut().zip(ends) {
            if let Some(output) = lane.output.take() {
                lane.token = greedy.sample(&self.context, output);
                *ends |= vocabulary.is_eog(lane.token);
            }
        }
        batch.clear();
        Ok(())
    }
}
