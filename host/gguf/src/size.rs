//! The memory that a model needs, computed from its header before it is loaded.

use super::{GgufHeader, TensorType};

/// The parameters of a context that its size depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContextShape {
    /// KV cells for all sequences together.
    pub cells: u32,
    /// Maximum number of tokens in one decode.
    pub batch: u32,
    /// Data type of keys and values.
    pub kv_type: TensorType,
    /// Whether layers with a sliding window keep all of their cells.
    pub swa_full: bool,
}

/// The minimum memory of a model in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelSize {
    /// The weights. They are memory-mapped, so the system can reclaim their pages; but then they
    /// are read from disk for each token.
    pub weights: u64,
    /// Keys and values of all cells. 0 if the header does not say (the number of heads differs by
    /// layer), or if layers only keep a window.
    pub cells: u64,
    /// The largest tensor of a step: one number per token of the vocabulary and of the batch
    /// (`output` in llama.cpp's graphs).
    pub step: u64,
}

impl ModelSize {
    /// The size of a model with this context.
    #[must_use]
    pub fn of(header: &GgufHeader, context: &ContextShape) -> Self {
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

    /// The sum of all parts.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.weights
            .saturating_add(self.cells)
            .saturating_add(self.step)
    }

    /// Number of layers whose weights and cells fit into `free` bytes of graphics cards, together
    /// with the memory of a step. The maximum is `blocks` and the output layer.
    #[must_use]
    pub fn layers_in(&self, blocks: u32, free: u64) -> u32 {
        /// Bytes that stay free, as in llama.cpp's own fitting (`fit_params_target` in its
        /// `common/`): for its buffers, and for other programs that use the card.
        const MARGIN: u64 = 1 << 30;

        let layers = u64::from(blocks) + 1;
        let layer = (self.weights.saturating_add(self.cells) / layers).max(1);
        let room = free.saturating_sub(MARGIN).saturating_sub(self.step);
        u32::try_from((room / layer).min(layers)).unwrap_or(u32::MAX)
    }
}

/// Bytes of all KV cells, if the header says: layers x heads x (key + value) numbers per cell. An
/// encoder model has none.
fn cells(header: &GgufHeader, context: &ContextShape) -> Option<u64> {
    if !header.is_causal() {
        return Some(0);
    }
    let is_windowed = header.of_architecture("attention.sliding_window").is_some();
    if is_windowed && !context.swa_full {
        return None;
    }
    let heads = header.of_architecture("attention.head_count")?;
    // If it is not a number, it differs by layer.
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
    let (block_numbers, block_bytes) = context.kv_type.block();
    (numbers / block_numbers).checked_mul(block_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Value, testing};

    fn header(more: &[(&str, Value)]) -> GgufHeader {
        let architecture = Value::String("llama".into());
        let numbers = [
            ("block_count", 30),
            ("embedding_length", 576),
            ("attention.head_count", 9),
            ("attention.head_count_kv", 3),
        ];
        let numbers = numbers.map(|(key, number)| (key, Value::Unsigned(number)));
        let of_llama = numbers.iter().chain(more);
        let keys = of_llama.map(|(key, value)| (format!("llama.{key}"), value.clone()));
        let others = [
            ("general.architecture".to_owned(), architecture),
            ("tokenizer.ggml.tokens".to_owned(), Value::Array(49_152)),
        ];
        testing::header(others.into_iter().chain(keys), Vec::new())
    }

    fn context() -> ContextShape {
        ContextShape {
            cells: 4096,
            batch: 128,
            kv_type: TensorType::F16,
            swa_full: true,
        }
    }

    #[test]
    fn cells_are_told_from_the_header() {
        // 30 layers x 3 heads x (64 + 64) numbers x 2 bytes = 23,040 bytes per token.
        let size = ModelSize::of(&header(&[]), &context());
        assert_eq!(size.cells, 4096 * 23_040);
        assert_eq!(size.step, 128 * 49_152 * 4);
        let packed = ContextShape {
            kv_type: TensorType::Q8_0,
            ..context()
        };
        assert_eq!(ModelSize::of(&header(&[]), &packed).cells, 4096 * 12_240);
        let wide = header(&[("attention.key_length", Value::Unsigned(128))]);
        assert_eq!(ModelSize::of(&wide, &context()).cells, 4096 * 34_560);
    }

    #[test]
    fn what_the_header_does_not_tell_is_not_counted() {
        let differing = header(&[("attention.head_count_kv", Value::Array(30))]);
        assert_eq!(ModelSize::of(&differing, &context()).cells, 0);
        let encoder = header(&[("attention.causal", Value::Bool(false))]);
        assert_eq!(ModelSize::of(&encoder, &context()).cells, 0);
        let windowed = header(&[("attention.sliding_window", Value::Unsigned(512))]);
        assert!(ModelSize::of(&windowed, &context()).cells > 0);
        let window_alone = ContextShape {
            swa_full: false,
            ..context()
        };
        assert_eq!(ModelSize::of(&windowed, &window_alone).cells, 0);
    }

    #[test]
    fn as_many_layers_go_to_a_card_as_fit_there() {
        const GIB: u64 = 1 << 30;
        let size = ModelSize {
            weights: 30 * GIB,
            cells: 3 * GIB,
            step: GIB,
        };
        // 32 blocks and the output layer, each of one GiB.
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
}
