//! A tiny model with a table of position embeddings.

use std::io;
use std::path::Path;

use super::gguf::{Parts, Random, u32_of};
use super::{tokenizer, vocabulary};

/// Width of the model.
const WIDTH: usize = 32;

/// A tiny text model with a table of position embeddings: architecture `gpt2`.
#[derive(Debug, Clone)]
pub struct TinyPositions {
    /// Seed of the weights.
    pub seed: u64,
    /// Number of positions, and context length in the file's metadata.
    pub positions: u32,
}

impl TinyPositions {
    /// Writes the file.
    ///
    /// # Errors
    ///
    /// Any error of writing a file.
    pub fn write_to(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, self.bytes())
    }

    /// The bytes of the file.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut parts = Parts::default();
        parts.text("general.architecture", "gpt2");
        parts.text(
            "general.name",
            "tiny random model with a table of positions",
        );
        parts.number("general.file_type", 0);
        parts.number("gpt2.context_length", self.positions);
        parts.number("gpt2.embedding_length", u32_of(WIDTH));
        parts.number("gpt2.feed_forward_length", u32_of(WIDTH * 2));
        parts.number("gpt2.block_count", 1);
        parts.number("gpt2.attention.head_count", u32_of(WIDTH / 16));
        parts.float("gpt2.attention.layer_norm_epsilon", 1e-5);
        tokenizer(&mut parts, "llama");
        self.tensors(&mut parts);
        parts.into_file()
    }

    fn tensors(&self, parts: &mut Parts) {
        let mut random = Random::new(self.seed);
        let mut tensor = |name: &str, dimensions: &[usize]| {
            parts.tensor(name, dimensions, |_| random.next());
        };
        tensor("token_embd.weight", &[WIDTH, vocabulary()]);
        tensor("position_embd.weight", &[WIDTH, self.positions as usize]);
        tensor("output_norm.weight", &[WIDTH]);
        tensor("output_norm.bias", &[WIDTH]);
        for (part, from, to) in [
            ("attn_qkv", WIDTH, WIDTH * 3),
            ("attn_output", WIDTH, WIDTH),
            ("ffn_up", WIDTH, WIDTH * 2),
            ("ffn_down", WIDTH * 2, WIDTH),
        ] {
            tensor(&format!("blk.0.{part}.weight"), &[from, to]);
            tensor(&format!("blk.0.{part}.bias"), &[to]);
        }
        for norm in ["attn_norm", "ffn_norm"] {
            tensor(&format!("blk.0.{norm}.weight"), &[WIDTH]);
            tensor(&format!("blk.0.{norm}.bias"), &[WIDTH]);
        }
    }
}
