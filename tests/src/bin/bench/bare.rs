//! The limit: llama.cpp in a bare loop, with nothing around it.

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

use crate::Phases;

/// Words of the prompt. Any text does; these keep the model from ending early.
const TEXT: &str = "Here is a long list of things that one can see on a walk through a large city: houses, streets, \
    shops, people, cars, trees, bridges, rivers, parks, towers, markets, schools, churches, museums, stations, and \
    many more. The list goes on with houses, streets, shops, people, cars, trees, bridges, rivers, parks, towers, ";

/// A model without anything around it.
pub(crate) struct Bare {
    backend: &'static LlamaBackend,
    model: LlamaModel,
    batch: u32,
    threads: i32,
}

/// Its context.
pub(crate) struct BareContext<'a> {
    context: LlamaContext<'a>,
    model: &'a LlamaModel,
    batch: usize,
}

impl Bare {
    pub(crate) fn load(path: &Path, batch: u32, threads: usize) -> Result<Self> {
        let backend = mynah_engine::llama_backend()?;
        let model = LlamaModel::load_from_file(backend, path, &LlamaModelParams::default())?;
        Ok(Self {
            backend,
            model,
            batch,
            threads: i32::try_from(threads)?,
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
            model: &self.model,
            batch: usize::try_from(self.batch)?,
        })
    }
}

impl BareContext<'_> {
    /// The first `length` tokens of the text.
    pub(crate) fn prompt(&self, length: usize) -> Vec<u32> {
        let tokens = self.model.vocab().tokenize(TEXT.as_bytes(), true, true);
        let ids = tokens.iter().cycle().map(|token| token.0.unsigned_abs());
        ids.take(length).collect()
    }

    /// Reads the prompt and decodes `count` tokens, always the most likely one, whatever it is.
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
