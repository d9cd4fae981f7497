//! Tiny models with random weights, generated here for tests that do not depend on the text. The
//! same seed gives the same bytes.

mod architecture;
mod bpe;
mod damage;
mod encoder;
mod gguf;
mod positions;

use std::io;
use std::path::{Path, PathBuf};

pub use architecture::{TinyArchitecture, TinyTensor, TinyValue};
pub use bpe::TinyBpe;
pub use damage::{Damage, TensorDamage};
pub use encoder::TinyEncoder;
use gguf::{F32, I32, Parts, Random, STRING, string, u32_of};
pub use positions::TinyPositions;

/// Number of control tokens: `<unk>`, `<s>`, `</s>`. The bytes and the words follow.
const SPECIAL: usize = 3;
/// Words of the vocabulary after the bytes; `▁` stands for a space.
const WORDS: [&str; 12] = [
    "▁", "e", "t", "a", "o", "▁the", "▁a", "▁of", "▁word", "▁and", "é", "😀",
];

/// The numbers in the metadata of a [`TinyModel`].
pub const KEYS: [&str; 12] = [
    "general.file_type",
    "llama.vocab_size",
    "llama.context_length",
    "llama.embedding_length",
    "llama.feed_forward_length",
    "llama.block_count",
    "llama.attention.head_count",
    "llama.attention.head_count_kv",
    "llama.rope.dimension_count",
    "tokenizer.ggml.unknown_token_id",
    "tokenizer.ggml.bos_token_id",
    "tokenizer.ggml.eos_token_id",
];

/// A tiny text model: architecture `llama`, with a tokenizer that covers every byte. It has a few
/// hundred kilobytes and generates thousands of tokens a second.
#[derive(Debug, Clone)]
pub struct TinyModel {
    /// Seed of the weights.
    pub seed: u64,
    /// Context length in the file's metadata.
    pub context_length: u32,
    /// Width of the model; a multiple of 16.
    pub embedding: usize,
    /// Layers.
    pub layers: usize,
    /// The chat template, in Jinja.
    pub chat_template: Option<String>,
    /// Recommended sampling in the file's metadata: llama.cpp's names, such as `top_p`, with their
    /// values.
    pub recommended: Vec<(&'static str, f32)>,
    /// `tokenizer.ggml.model`.
    pub tokenizer: &'static str,
    /// `tokenizer.ggml.pre`.
    pub pre_tokenizer: Option<&'static str>,
    /// Whether the tokenizer ends each text with an end token (`add_eos_token`).
    pub adds_end: bool,
    /// Numbers in the metadata to replace or add, by their whole keys.
    pub numbers: Vec<(String, u32)>,
}

impl Default for TinyModel {
    fn default() -> Self {
        Self {
            seed: 1,
            context_length: 2048,
            embedding: 32,
            layers: 2,
            chat_template: None,
            recommended: Vec::new(),
            tokenizer: "llama",
            pre_tokenizer: None,
            adds_end: false,
            numbers: Vec::new(),
        }
    }
}

impl TinyModel {
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
        self.parts().into_file()
    }

    /// Writes the model in `count` files, `NAME-00001-of-00003.gguf` and so on, and returns their
    /// paths.
    ///
    /// # Errors
    ///
    /// Any error of writing a file.
    pub fn write_split(&self, folder: &Path, name: &str, count: u16) -> io::Result<Vec<PathBuf>> {
        let files = self.parts().into_files(count);
        let numbered = files.into_iter().zip(1u16..);
        numbered
            .map(|(bytes, number)| {
                let path = folder.join(format!("{name}-{number:05}-of-{count:05}.gguf"));
                std::fs::write(&path, bytes)?;
                Ok(path)
            })
            .collect()
    }

    fn parts(&self) -> Parts {
        let mut parts = Parts::default();
        parts.instead.clone_from(&self.numbers);
        self.metadata(&mut parts);
        for (key, number) in &self.numbers {
            if !KEYS.contains(&key.as_str()) {
                parts.number(key, *number);
            }
        }
        self.tensors(&mut parts);
        parts
    }

    fn metadata(&self, parts: &mut Parts) {
        let heads = u32_of(self.embedding / 16);
        parts.text("general.architecture", "llama");
        parts.text("general.name", "tiny random test model");
        parts.number("general.file_type", 0);
        parts.number("llama.vocab_size", u32_of(vocabulary()));
        parts.number("llama.context_length", self.context_length);
        parts.number("llama.embedding_length", u32_of(self.embedding));
        parts.number("llama.feed_forward_length", u32_of(self.embedding * 2));
        parts.number("llama.block_count", u32_of(self.layers));
        parts.number("llama.attention.head_count", heads);
        parts.number("llama.attention.head_count_kv", heads);
        parts.number("llama.rope.dimension_count", 16);
        parts.float("llama.attention.layer_norm_rms_epsilon", 1e-5);

        tokenizer(parts, self.tokenizer);
        if self.tokenizer == "gpt2" {
            parts.array("tokenizer.ggml.merges", STRING, 0, &[]);
        }
        if let Some(name) = self.pre_tokenizer {
            parts.text("tokenizer.ggml.pre", name);
        }
        if self.adds_end {
            parts.flag("tokenizer.ggml.add_eos_token", true);
        }
        if let Some(template) = &self.chat_template {
            parts.text("tokenizer.chat_template", template);
        }
        for (name, value) in &self.recommended {
            parts.float(&format!("general.sampling.{name}"), *value);
        }
    }

    fn tensors(&self, parts: &mut Parts) {
        let (width, inner, tokens) = (self.embedding, self.embedding * 2, vocabulary());
        let mut random = Random::new(self.seed);
        parts.tensor("token_embd.weight", &[width, tokens], |_| random.next());
        parts.tensor("output_norm.weight", &[width], |_| 1.0);
        // The control tokens have zero weights and thus logits of 0. Some other logit is always
        // higher, so no text ends early.
        parts.tensor("output.weight", &[width, tokens], |index| {
            if index < SPECIAL * width {
                0.0
            } else {
                random.next()
            }
        });
        for layer in 0..self.layers {
            let name = |part: &str| format!("blk.{layer}.{part}.weight");
            parts.tensor(&name("attn_norm"), &[width], |_| 1.0);
            for part in ["attn_q", "attn_k", "attn_v", "attn_output"] {
                parts.tensor(&name(part), &[width, width], |_| random.next());
            }
            parts.tensor(&name("ffn_norm"), &[width], |_| 1.0);
            for part in ["ffn_gate", "ffn_up"] {
                parts.tensor(&name(part), &[width, inner], |_| random.next());
            }
            parts.tensor(&name("ffn_down"), &[inner, width], |_| random.next());
        }
    }
}

fn vocabulary() -> usize {
    SPECIAL + 256 + WORDS.len()
}

/// Writes a tokenizer that covers every byte.
fn tokenizer(parts: &mut Parts, name: &str) {
    tokenizer_of(parts, name, vocabulary());
}

/// Writes a tokenizer that covers every byte, with at least `count` tokens.
fn tokenizer_of(parts: &mut Parts, name: &str, count: usize) {
    let count = count.max(vocabulary());
    let mut tokens = Vec::new();
    let mut scores = Vec::new();
    let mut types = Vec::new();
    let mut token = |text: &str, score: f32, ty: i32| {
        tokens.extend(string(text));
        scores.extend(score.to_le_bytes());
        types.extend(ty.to_le_bytes());
    };
    // Types as in `llama_token_type`: 1 normal, 2 unknown, 3 control, 6 byte.
    token("<unk>", 0.0, 2);
    token("<s>", 0.0, 3);
    token("</s>", 0.0, 3);
    for byte in 0..=255u8 {
        token(&format!("<0x{byte:02X}>"), 0.0, 6);
    }
    for (word, score) in WORDS.iter().zip((1u8..).map(f32::from)) {
        token(word, -score, 1);
    }
    for further in vocabulary()..count {
        token(&format!("t{further}"), -100.0, 1);
    }
    parts.text("tokenizer.ggml.model", name);
    parts.array("tokenizer.ggml.tokens", STRING, count, &tokens);
    parts.array("tokenizer.ggml.scores", F32, count, &scores);
    parts.array("tokenizer.ggml.token_type", I32, count, &types);
    parts.number("tokenizer.ggml.unknown_token_id", 0);
    parts.number("tokenizer.ggml.bos_token_id", 1);
    parts.number("tokenizer.ggml.eos_token_id", 2);
}
