//! What a header says: keys with their values, and tensors.

use std::collections::BTreeMap;

use super::{TensorType, tensor_type};

/// The header of a GGUF file.
#[derive(Debug, Clone, PartialEq)]
pub struct GgufHeader {
    /// Version of the format: 2 or 3.
    pub version: u32,
    /// Key-value pairs. The contents of arrays are not kept.
    pub metadata: BTreeMap<String, Value>,
    /// The tensors, in the order of the file.
    pub tensors: Vec<TensorInfo>,
    /// Bytes of the whole file.
    pub file_bytes: u64,
}

/// A metadata value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Any unsigned integer type.
    Unsigned(u64),
    /// Any signed integer type.
    Signed(i64),
    /// Either float type.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// Text; bytes that are not UTF-8 are replaced.
    String(String),
    /// Text of more than 1 MiB, of which only the length in bytes is kept: some files carry a whole
    /// `tokenizer.json`.
    LongText(u64),
    /// An array, of which only the length is kept: vocabularies have hundreds of thousands of
    /// entries.
    Array(u64),
}

/// One tensor of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name, such as `blk.0.attn_q.weight`.
    pub name: String,
    /// Its dimensions, 1 to 4 of them.
    pub dimensions: Vec<u64>,
    /// How its weights are stored.
    pub ty: TensorType,
    /// Product of the dimensions.
    pub elements: u64,
    /// Bytes of its data.
    pub bytes: u64,
}

impl GgufHeader {
    /// `general.architecture`, such as `llama`.
    #[must_use]
    pub fn architecture(&self) -> Option<&str> {
        self.string("general.architecture")
    }

    /// `general.name`.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.string("general.name")
    }

    /// The model's own chat template, in Jinja.
    #[must_use]
    pub fn chat_template(&self) -> Option<&str> {
        self.string("tokenizer.chat_template")
    }

    /// The model's own chat template for conversations with tools, where it has one apart.
    #[must_use]
    pub fn tool_template(&self) -> Option<&str> {
        self.string("tokenizer.chat_template.tool_use")
    }

    /// Weights of all tensors together.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.tensors
            .iter()
            .fold(0, |sum, tensor| tensor.elements.saturating_add(sum))
    }

    /// Bytes of all tensors together.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        self.tensors
            .iter()
            .fold(0, |sum, tensor| tensor.bytes.saturating_add(sum))
    }

    /// Tokens that the model was trained to hold.
    #[must_use]
    pub fn context_length(&self) -> Option<u32> {
        self.of_architecture("context_length")
    }

    /// Transformer layers.
    #[must_use]
    pub fn block_count(&self) -> Option<u32> {
        self.of_architecture("block_count")
    }

    /// Tokens in the vocabulary.
    #[must_use]
    pub fn vocab_size(&self) -> Option<u32> {
        match self.metadata.get("tokenizer.ggml.tokens") {
            Some(Value::Array(length)) => u32::try_from(*length).ok(),
            _ => self.of_architecture("vocab_size"),
        }
    }

    /// Name of the quantisation, such as `Q4_1`: what the file says, else the type of most weights.
    #[must_use]
    pub fn file_type(&self) -> String {
        let said = match self.metadata.get("general.file_type") {
            Some(Value::Unsigned(number)) => tensor_type::file_type_name(*number),
            _ => None,
        };
        match (said, self.weights_by_type().first()) {
            (Some(name), _) => name.to_owned(),
            (None, Some((ty, ..))) => format!("mostly {ty}"),
            (None, None) => "no weights".to_owned(),
        }
    }

    /// How many weights, and how many bytes, are stored in which way; most weights first.
    #[must_use]
    pub fn weights_by_type(&self) -> Vec<(TensorType, u64, u64)> {
        let mut by_type: BTreeMap<TensorType, (u64, u64)> = BTreeMap::new();
        for tensor in &self.tensors {
            let (elements, bytes) = by_type.entry(tensor.ty).or_default();
            *elements = elements.saturating_add(tensor.elements);
            *bytes = bytes.saturating_add(tensor.bytes);
        }
        let mut weights: Vec<_> = by_type
            .into_iter()
            .map(|(ty, (elements, bytes))| (ty, elements, bytes))
            .collect();
        weights.sort_by_key(|&(_, elements, _)| std::cmp::Reverse(elements));
        weights
    }

    pub(super) fn string(&self, key: &str) -> Option<&str> {
        match self.metadata.get(key)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether the header says anything under a key of its architecture.
    #[must_use]
    pub fn has_of_architecture(&self, key: &str) -> bool {
        self.value_of_architecture(key).is_some()
    }

    fn value_of_architecture(&self, key: &str) -> Option<&Value> {
        self.metadata
            .get(&format!("{}.{key}", self.architecture()?))
    }

    /// Whether a token sees those before it alone, as in models that continue text. Where the file
    /// says nothing it does (`<architecture>.attention.causal`).
    #[must_use]
    pub fn is_causal(&self) -> bool {
        !matches!(
            self.value_of_architecture("attention.causal"),
            Some(Value::Bool(false))
        )
    }

    /// Positions that the model has, where they are rows of a table (`gpt2`, `bert`): llama.cpp
    /// ends the process where a row isn't there. Others compute what a position is.
    #[must_use]
    pub fn positions(&self) -> Option<u32> {
        let mut tensors = self.tensors.iter();
        let table = tensors.find(|tensor| tensor.name == "position_embd.weight")?;
        let rows = table.dimensions.get(1).copied().unwrap_or(1);
        Some(u32::try_from(rows).unwrap_or(u32::MAX))
    }

    /// A number under a key of its architecture, such as `embedding_length`.
    #[must_use]
    pub fn of_architecture(&self, key: &str) -> Option<u32> {
        match self.value_of_architecture(key)? {
            Value::Unsigned(number) => u32::try_from(*number).ok(),
            Value::Signed(number) => u32::try_from(*number).ok(),
            _ => None,
        }
    }
}
