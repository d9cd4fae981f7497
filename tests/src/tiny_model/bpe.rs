//! A tiny model with a byte-pair tokenizer, which splits a text into words first.

use std::io;
use std::path::Path;

use super::gguf::{I32, Parts, Random, STRING, string, u32_of};

/// Width of the model.
const WIDTH: usize = 32;
/// Context length in the file's metadata.
const CONTEXT: u32 = 512;
/// The control token after those of the bytes.
const END: &str = "<|end|>";
/// The tokens of two characters after it.
const PAIRS: [&str; 4] = ["qq", "Ġp", "lu", "77"];

/// A tiny text model with a byte-pair tokenizer: architecture `llama`.
#[derive(Debug, Clone)]
pub struct TinyBpe {
    /// The way in which a text is split into words: `tokenizer.ggml.pre`.
    pub pre: &'static str,
}

impl TinyBpe {
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
        parts.text("general.architecture", "llama");
        parts.text(
            "general.name",
            "tiny random model with a byte-pair tokenizer",
        );
        parts.number("general.file_type", 0);
        parts.number("llama.context_length", CONTEXT);
        parts.number("llama.embedding_length", u32_of(WIDTH));
        parts.number("llama.feed_forward_length", u32_of(WIDTH));
        parts.number("llama.block_count", 1);
        parts.number("llama.attention.head_count", u32_of(WIDTH / 16));
        parts.number("llama.attention.head_count_kv", u32_of(WIDTH / 16));
        parts.float("llama.attention.layer_norm_rms_epsilon", 1e-5);
        self.tokenizer(&mut parts);
        tensors(&mut parts);
        parts.into_file()
    }

    fn tokenizer(&self, parts: &mut Parts) {
        let tokens = vocabulary();
        let merges = PAIRS.map(|pair| {
            let mut chars = pair.chars();
            let first = chars.next().unwrap_or_default();
            format!("{first} {}", chars.as_str())
        });
        // Types as in `llama_token_type`: 1 normal, 3 control.
        let ty = |token: &String| if token == END { 3i32 } else { 1 };
        let types: Vec<u8> = tokens
            .iter()
            .flat_map(|one| ty(one).to_le_bytes())
            .collect();
        let texts: Vec<u8> = tokens.iter().flat_map(|token| string(token)).collect();
        let pairs: Vec<u8> = merges.iter().flat_map(|pair| string(pair)).collect();
        // Only this tokenizer can use the splitting of the same name.
        let model = match self.pre {
            "whitespace" => self.pre,
            _ => "gpt2",
        };
        parts.text("tokenizer.ggml.model", model);
        parts.text("tokenizer.ggml.pre", self.pre);
        parts.array("tokenizer.ggml.tokens", STRING, tokens.len(), &texts);
        parts.array("tokenizer.ggml.token_type", I32, tokens.len(), &types);
        parts.array("tokenizer.ggml.merges", STRING, merges.len(), &pairs);
        parts.number("tokenizer.ggml.bos_token_id", 256);
        parts.number("tokenizer.ggml.eos_token_id", 256);
    }
}

/// A character for each byte, as GPT-2 has them, then the control token and the pairs.
fn vocabulary() -> Vec<String> {
    let is_itself = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let mut others = (256u32..).filter_map(char::from_u32);
    let mut char_of = |byte: u8| match is_itself(byte) {
        true => char::from(byte),
        false => others.next().unwrap_or_default(),
    };
    let bytes = (0..=255u8).map(|byte| char_of(byte).to_string());
    let rest = std::iter::once(END).chain(PAIRS).map(str::to_owned);
    bytes.chain(rest).collect()
}

fn tensors(parts: &mut Parts) {
    let tokens = vocabulary().len();
    let mut random = Random::new(1);
    let mut tensor = |name: &str, dimensions: &[usize]| {
        parts.tensor(name, dimensions, |_| random.next());
    };
    tensor("token_embd.weight", &[WIDTH, tokens]);
    tensor("output_norm.weight", &[WIDTH]);
    tensor("output.weight", &[WIDTH, tokens]);
    for part in ["attn_norm", "ffn_norm"] {
        tensor(&format!("blk.0.{part}.weight"), &[WIDTH]);
    }
    for part in [
        "attn_q",
        "attn_k",
        "attn_v",
        "attn_output",
        "ffn_gate",
        "ffn_up",
        "ffn_down",
    ] {
        tensor(&format!("blk.0.{part}.weight"), &[WIDTH, WIDTH]);
    }
}
