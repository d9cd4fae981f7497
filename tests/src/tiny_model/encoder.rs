//! A tiny encoder model, which embeds texts and generates none.

use std::io;
use std::path::Path;

use super::gguf::{I32, Parts, Random, STRING, string, u32_of};

/// Control tokens; the index is the token id.
const CONTROL: [&str; 4] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];
const LETTERS: std::ops::RangeInclusive<char> = 'a'..='z';
const LAYERS: usize = 2;

/// A tiny embedding model: architecture `bert`, with one token per lower-case letter.
#[derive(Debug, Clone)]
pub struct TinyEncoder {
    /// Seed of the weights.
    pub seed: u64,
    /// Number of positions.
    pub context_length: u32,
    /// Width of the model; a multiple of 16.
    pub embedding: usize,
    /// The pooling type (`llama_pooling_type`): 1 mean, 2 first token.
    pub pooling: u32,
    /// Whether the file has the key for non-causal attention. Some files of such models lack it.
    pub says_kind: bool,
}

impl Default for TinyEncoder {
    fn default() -> Self {
        Self {
            seed: 1,
            context_length: 128,
            embedding: 32,
            pooling: 1,
            says_kind: true,
        }
    }
}

impl TinyEncoder {
    /// Writes the file.
    ///
    /// # Errors
    ///
    /// Any error of writing a file.
    pub fn write_to(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, self.bytes())
    }

    fn bytes(&self) -> Vec<u8> {
        let mut parts = Parts::default();
        let tokens = self.metadata(&mut parts);
        self.tensors(&mut parts, tokens);
        parts.into_file()
    }

    /// Writes the metadata and returns the number of tokens.
    fn metadata(&self, parts: &mut Parts) -> usize {
        parts.text("general.architecture", "bert");
        parts.text("general.name", "tiny random encoder");
        parts.number("general.file_type", 0);
        parts.number("bert.context_length", self.context_length);
        parts.number("bert.embedding_length", u32_of(self.embedding));
        parts.number("bert.feed_forward_length", u32_of(self.embedding * 2));
        parts.number("bert.block_count", u32_of(LAYERS));
        parts.number("bert.attention.head_count", u32_of(self.embedding / 16));
        parts.float("bert.attention.layer_norm_epsilon", 1e-12);
        if self.says_kind {
            parts.flag("bert.attention.causal", false);
        }
        parts.number("bert.pooling_type", self.pooling);

        // Each letter twice: `▁` marks the beginning of a word.
        let begins = LETTERS.map(|letter| format!("▁{letter}"));
        let goes_on = LETTERS.map(|letter| letter.to_string());
        let letters: Vec<String> = begins.chain(goes_on).collect();
        let control = CONTROL.iter().map(|text| (string(text), 3i32));
        let normal = letters.iter().map(|text| (string(text), 1i32));
        let tokens: Vec<(Vec<u8>, i32)> = control.chain(normal).collect();
        let texts: Vec<u8> = tokens.iter().flat_map(|(text, _)| text.clone()).collect();
        let types: Vec<u8> = tokens.iter().flat_map(|(_, ty)| ty.to_le_bytes()).collect();
        parts.text("tokenizer.ggml.model", "bert");
        parts.array("tokenizer.ggml.tokens", STRING, tokens.len(), &texts);
        parts.array("tokenizer.ggml.token_type", I32, tokens.len(), &types);
        parts.number("tokenizer.ggml.token_type_count", 2);
        parts.number("tokenizer.ggml.padding_token_id", 0);
        parts.number("tokenizer.ggml.unknown_token_id", 1);
        parts.number("tokenizer.ggml.bos_token_id", 2);
        parts.number("tokenizer.ggml.seperator_token_id", 3);
        tokens.len()
    }

    fn tensors(&self, parts: &mut Parts, tokens: usize) {
        let (width, inner) = (self.embedding, self.embedding * 2);
        let mut random = Random::new(self.seed);
        let mut tensor = |name: &str, dimensions: &[usize]| {
            parts.tensor(name, dimensions, |_| random.next());
        };
        tensor("token_embd.weight", &[width, tokens]);
        tensor("token_types.weight", &[width, 2]);
        tensor(
            "position_embd.weight",
            &[width, self.context_length as usize],
        );
        tensor("token_embd_norm.weight", &[width]);
        tensor("token_embd_norm.bias", &[width]);
        for layer in 0..LAYERS {
            for (part, from, to) in [
                ("attn_q", width, width),
                ("attn_k", width, width),
                ("attn_v", width, width),
                ("attn_output", width, width),
                ("ffn_up", width, inner),
                ("ffn_down", inner, width),
            ] {
                tensor(&format!("blk.{layer}.{part}.weight"), &[from, to]);
                tensor(&format!("blk.{layer}.{part}.bias"), &[to]);
            }
            for norm in ["attn_output_norm", "layer_output_norm"] {
                tensor(&format!("blk.{layer}.{norm}.weight"), &[width]);
                tensor(&format!("blk.{layer}.{norm}.bias"), &[width]);
            }
        }
    }
}
