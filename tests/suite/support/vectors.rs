//! Vectors of texts, and llama.cpp's own results for comparison.

use std::num::NonZeroU32;

use llama_cpp_2::context::params::{LlamaContextParams, LlamaPoolingType};
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use mynah_core::Prompt;

/// The texts as prompts of a request.
pub(crate) fn prompts(texts: &[String]) -> Vec<Prompt> {
    texts.iter().cloned().map(Prompt::Text).collect()
}

/// The similarity of two vectors of length 1.
pub(crate) fn cosine(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

/// The vector that llama.cpp itself computes, in one batch and with its own pooling.
pub(crate) fn bare(model: &LlamaModel, pooling: LlamaPoolingType, text: &str) -> Vec<f32> {
    let backend = mynah_engine::llama_backend().unwrap();
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(1024))
        .with_n_batch(512)
        .with_n_ubatch(512)
        .with_n_threads(2)
        .with_n_threads_batch(2)
        .with_embeddings(true)
        .with_pooling_type(pooling);
    let mut context = model.new_context(backend, params).unwrap();
    let tokens = model.vocab().tokenize(text.as_bytes(), true, true);
    let mut batch = LlamaBatch::new(512, 1);
    for (position, token) in (0..).zip(tokens) {
        batch.add(token, position, &[0], true).unwrap();
    }
    context.decode(&mut batch).unwrap();
    let pooled = context.embeddings_seq_ith(0).unwrap();
    let length = cosine(pooled, pooled).sqrt();
    pooled.iter().map(|one| one / length).collect()
}
