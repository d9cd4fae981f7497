//! What a model takes, told from its header before it is loaded, and what there is.

use std::path::Path;

use bytesize::ByteSize;

use super::gguf::GgufHeader;
use crate::KvType;
use crate::llama::ContextParams;
use crate::memory_limit::MemoryLimit;
use crate::{Error, Result};

/// What a model takes at least, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    /// Its weights. They are memory-mapped, so the system could take their pages back; a model
    /// whose weights are not all in memory is read from disk for each token.
    weights: u64,
    /// Keys and values of all cells. 0 where the header doesn't tell (heads that differ from layer
    /// to layer), or where layers keep a window alone.
    cells: u64,
    /// The largest tensor of a step: a number for each token of the vocabulary and of the batch
    /// (`output` in llama.cpp's graphs).
    step: u64,
}

impl Size {
    pub(crate) fn of(header: &GgufHeader, context: &ContextParams) -> Self {
        let bytes_of_f32 = 4;
        let step = u64::from(context.batch)
            .saturating_mul(u64::from(header.vocab_size().unwrap_or(0)))
            .saturating_mul(bytes_of_f32);
        Self {
            weights: header.weight_bytes(),
            cells: cells(header, context).unwrap_or(0),
            step,
        }
    }

    fn total(&self) -> u64 {
        self.weights
            .saturating_add(self.cells)
            .saturating_add(self.step)
    }

    /// Layers whose weights and cells fit in `free` bytes of graphics cards, with what a step takes
    /// there; `blocks` and the output layer are all.
    pub(crate) fn layers_in(&self, blocks: u32, free: u64) -> u32 {
        /// Bytes that stay free, as llama.cpp's own fitting leaves them (`fit_params_target` in its
        /// `common/`): for its buffers, and for others that use the card.
        const MARGIN: u64 = 1 << 30;

        let layers = u64::from(blocks) + 1;
        let layer = (self.weights.saturating_add(self.cells) / layers).max(1);
        let room = free.saturating_sub(MARGIN).saturating_sub(self.step);
        u32::try_from((room / layer).min(layers)).unwrap_or(u32::MAX)
    }

    /// Checks that there is so much.
    ///
    /// # Errors
    ///
    /// [`Error::TooLittleMemory`], with the numbers.
    pub(crate) fn check(&self, path: &Path, memory: &MemoryLimit) -> Result<()> {
        if self.total() <= memory.available {
            return Ok(());
        }
        Err(Error::TooLittleMemory {
            path: path.to_owned(),
            needed: ByteSize(self.total()),
            weights: ByteSize(self.weights),
            cells: ByteSize(self.cells),
            step: ByteSize(self.step),
            available: ByteSize(memory.available),
            limit: memory.limit.map(ByteSize),
        })
    }
}

/// Bytes of all KV cells, where the header tells: layers x heads x (key + value) numbers for each.
/// A model that reads texts as a whole has none.
fn cells(header: &GgufHeader, context: &ContextParams) -> Option<u64> {
    if !header.is_causal() {
        return Some(0);
    }
    let is_windowed = header.of_architecture("attention.sliding_window").is_some();
    if is_windowed && !context.swa_full {
        return None;
    }
    let heads = header.of_architecture("attention.head_count")?;
    // Where it isn't a number, layers differ.
    let kv_heads = match header.has_of_architecture("attention.head_count_kv") {
        true => header.of_architecture("attention.head_count_kv")?,
        false => heads,
    };
    let width = header.of_architecture("embedding_length")?;
    let head = width.checked_div(heads)?;
    let key = header
        .of_architecture("attention.key_length")
        .unwrap_or(head);
    let value = header
        .of_architecture("attention.value_length")
        .unwrap_or(head);
    let numbers = u64::from(header.block_count()?)
        .checked_mul(u64::from(kv_heads))?
        .checked_mul(u64::from(key) + u64::from(value))?
        .checked_mul(u64::from(context.cells))?;
    Some(match context.kv_type {
        KvType::F16 => numbers.checked_mul(2)?,
        // Blocks of 32 with a scale of two bytes (`block_q8_0` in ggml-common.h).
        KvType::Q8_0 => numbers / 32 * 34,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::gguf::Value;
    use super::*;

    fn header(more: &[(&str, Value)]) -> GgufHeader {
        let mut metadata = BTreeMap::from([
            (
                "general.architecture".to_owned(),
                Value::String("llama".into()),
            ),
            ("llama.block_count".to_owned(), Value::Unsigned(30)),
            ("llama.embedding_length".to_owned(), Value::Unsigned(576)),
            ("llama.attention.head_count".to_owned(), Value::Unsigned(9)),
            (
                "llama.attention.head_count_kv".to_owned(),
                Value::Unsigned(3),
            ),
            ("tokenizer.ggml.tokens".to_owned(), Value::Array(49_152)),
        ]);
        for (key, value) in more {
            metadata.insert(format!("llama.{key}"), value.clone());
        }
        GgufHeader {
            version: 3,
            metadata,
            tensors: Vec::new(),
            file_bytes: 0,
        }
    }

    fn context() -> ContextParams {
        ContextParams {
            positions: None,
            cells: 4096,
            split: true,
            batch: 128,
            sequences: 2,
            threads: 1,
            kv_type: KvType::F16,
            swa_full: true,
            embeddings: false,
        }
    }

    #[test]
    fn cells_are_told_from_the_header() {
        // 30 layers x 3 heads x (64 + 64) numbers x 2 bytes = 23,040 bytes a token.
        let size = Size::of(&header(&[]), &context());
        assert_eq!(size.cells, 4096 * 23_040);
        assert_eq!(size.step, 128 * 49_152 * 4);
        let packed = ContextParams {
            kv_type: KvType::Q8_0,
            ..context()
        };
        assert_eq!(Size::of(&header(&[]), &packed).cells, 4096 * 12_240);
        let wide = header(&[("attention.key_length", Value::Unsigned(128))]);
        assert_eq!(Size::of(&wide, &context()).cells, 4096 * 34_560);
    }

    #[test]
    fn what_the_header_does_not_tell_is_not_counted() {
        let differing = header(&[("attention.head_count_kv", Value::Array(30))]);
        assert_eq!(Size::of(&differing, &context()).cells, 0);
        let encoder = header(&[("attention.causal", Value::Bool(false))]);
        assert_eq!(Size::of(&encoder, &context()).cells, 0);
        let windowed = header(&[("attention.sliding_window", Value::Unsigned(512))]);
        assert!(Size::of(&windowed, &context()).cells > 0);
        let window_alone = ContextParams {
            swa_full: false,
            ..context()
        };
        assert_eq!(Size::of(&windowed, &window_alone).cells, 0);
    }

    #[test]
    fn as_many_layers_go_to_a_card_as_fit_there() {
        const GIB: u64 = 1 << 30;
        let size = Size {
            weights: 30 * GIB,
            cells: 3 * GIB,
            step: GIB,
        };
        // 32 blocks and the output layer: one GiB each.
        for (free, layers) in [
            (0, 0),
            (2 * GIB, 0),
            (3 * GIB, 1),
            (18 * GIB + 1, 16),
            (35 * GIB, 33),
            (80 * GIB, 33),
        ] {
            assert_eq!(size.layers_in(32, free), layers, "{free} bytes");
        }
    }

    #[test]
    fn a_model_that_does_not_fit_is_refused_with_the_numbers() {
        let size = Size::of(&header(&[]), &context());
        let memory = |available| MemoryLimit {
            available,
            limit: Some(256 << 20),
        };
        size.check(Path::new("a.gguf"), &memory(size.total()))
            .unwrap();
        let error = size
            .check(Path::new("a.gguf"), &memory(100 << 20))
            .unwrap_err()
            .to_string();
        for words in [
            "a.gguf",
            "114.0 MiB",
            "90.0 MiB",
            "24.0 MiB",
            "100.0 MiB",
            "256.0 MiB",
            "ctx_size",
        ] {
            assert!(error.contains(words), "`{words}` in: {error}");
        }
    }
}
