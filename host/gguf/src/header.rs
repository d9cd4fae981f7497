//! The contents of a header: keys with their values, and tensors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{TensorType, tensor_type};

/// The header of a GGUF file.
#[derive(Debug, Clone, PartialEq)]
pub struct GgufHeader {
    /// Version of the format: 2 or 3.
    pub version: u32,
    /// Key-value pairs. Arrays are kept without their contents.
    pub metadata: BTreeMap<String, Value>,
    /// The tensors, in the order of the file.
    pub tensors: Vec<TensorInfo>,
    /// Size of the whole file in bytes; of all files, if the model is in parts.
    pub file_bytes: u64,
    /// The files of a model in parts, in their order. Empty if the model is in one file.
    pub parts: Vec<Part>,
}

/// A file of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The file.
    pub path: PathBuf,
    /// Size of the file in bytes.
    pub file_bytes: u64,
    /// Size of the file's tensors in bytes.
    pub weight_bytes: u64,
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
    /// Text. Invalid UTF-8 is replaced.
    String(String),
    /// Text of more than 1 MiB, of which only the length in bytes is kept: some files contain a
    /// whole `tokenizer.json`.
    LongText(u64),
    /// An array, of which only the length is kept: a vocabulary has hundreds of thousands of
    /// entries.
    Array(u64),
}

/// A tensor of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// The tensor's name, such as `blk.0.attn_q.weight`.
    pub name: String,
    /// The tensor's dimensions, 1 to 4.
    pub dimensions: Vec<u64>,
    /// The tensor's type.
    pub ty: TensorType,
    /// Product of the dimensions.
    pub elements: u64,
    /// Size of the tensor's data in bytes.
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

    /// The model's own chat template, in Jinja. An empty one counts as none.
    #[must_use]
    pub fn chat_template(&self) -> Option<&str> {
        self.template("tokenizer.chat_template")
    }

    /// The model's own chat template for conversations with tools, if it has a separate one. An
    /// empty one counts as none.
    #[must_use]
    pub fn tool_template(&self) -> Option<&str> {
        self.template("tokenizer.chat_template.tool_use")
    }

    /// Whether the file has a chat template that is empty, which some converters write.
    #[must_use]
    pub fn has_empty_template(&self) -> bool {
        self.string("tokenizer.chat_template").is_some() && self.chat_template().is_none()
    }

    fn template(&self, key: &str) -> Option<&str> {
        self.string(key).filter(|text| !text.trim().is_empty())
    }

    /// `tokenizer.ggml.model`: the kind of the tokenizer, such as `llama` or `gpt2`.
    #[must_use]
    pub fn tokenizer(&self) -> Option<&str> {
        self.string("tokenizer.ggml.model")
    }

    /// `tokenizer.ggml.pre`: how a `gpt2` tokenizer splits text before it merges.
    #[must_use]
    pub fn pre_tokenizer(&self) -> Option<&str> {
        self.string("tokenizer.ggml.pre")
            .filter(|name| !name.is_empty())
    }

    /// Whether the tokenizer needs a pre-tokenizer that the file does not name. llama.cpp then
    /// splits text in its default way, which most models were not trained with.
    #[must_use]
    pub fn lacks_pre_tokenizer(&self) -> bool {
        self.tokenizer() == Some("gpt2") && self.pre_tokenizer().is_none()
    }

    /// The files of the model whose first or only file is `path`, in their order.
    #[must_use]
    pub fn files(&self, path: &Path) -> Vec<Part> {
        if self.parts.is_empty() {
            return vec![Part {
                path: path.to_owned(),
                file_bytes: self.file_bytes,
                weight_bytes: self.weight_bytes(),
            }];
        }
        self.parts.clone()
    }

    /// Number of weights of all tensors.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.tensors
            .iter()
            .fold(0, |sum, tensor| tensor.elements.saturating_add(sum))
    }

    /// Size of all tensors in bytes.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        self.tensors
            .iter()
            .fold(0, |sum, tensor| tensor.bytes.saturating_add(sum))
    }

    /// The context length with which the model was trained.
    #[must_use]
    pub fn context_length(&self) -> Option<u32> {
        self.of_architecture("context_length")
    }

    /// Number of transformer layers.
    #[must_use]
    pub fn block_count(&self) -> Option<u32> {
        self.of_architecture("block_count")
    }

    /// Number of tokens in the vocabulary.
    #[must_use]
    pub fn vocab_size(&self) -> Option<u32> {
        match self.metadata.get("tokenizer.ggml.tokens") {
            Some(Value::Array(length)) => u32::try_from(*length).ok(),
            _ => self.of_architecture("vocab_size"),
        }
    }

    /// Name of the quantisation, such as `Q4_1`: from the file, or the type of most weights.
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

    /// Number of weights and bytes by type, most weights first.
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

    /// Whether the header has this key of its architecture.
    #[must_use]
    pub fn has_of_architecture(&self, key: &str) -> bool {
        self.value_of_architecture(key).is_some()
    }

    fn value_of_architecture(&self, key: &str) -> Option<&Value> {
        self.metadata
            .get(&format!("{}.{key}", self.architecture()?))
    }

    /// Whether a token only attends to those before it, as in models that generate text. Without
    /// the key `<architecture>.attention.causal` it does.
    #[must_use]
    pub fn is_causal(&self) -> bool {
        !matches!(
            self.value_of_architecture("attention.causal"),
            Some(Value::Bool(false))
        )
    }

    /// Whether llama.cpp can read vectors from the last layer. Of architectures with several
    /// streams of hidden states, it reads more numbers than there are, and aborts the process.
    #[must_use]
    pub fn has_vectors(&self) -> bool {
        !matches!(self.architecture(), Some("deepseek4" | "qwen4exp"))
    }

    /// Number of positions in the model's position table, if it has one (`gpt2`, `bert`). llama.cpp
    /// aborts the process for a position outside the table. Other models compute positions.
    #[must_use]
    pub fn positions(&self) -> Option<u32> {
        let mut tensors = self.tensors.iter();
        let table = tensors.find(|tensor| tensor.name == "position_embd.weight")?;
        let rows = table.dimensions.get(1).copied().unwrap_or(1);
        Some(u32::try_from(rows).unwrap_or(u32::MAX))
    }

    /// The number under a key of its architecture, such as `embedding_length`.
    #[must_use]
    pub fn of_architecture(&self, key: &str) -> Option<u32> {
        match self.value_of_architecture(key)? {
            Value::Unsigned(number) => u32::try_from(*number).ok(),
            Value::Signed(number) => u32::try_from(*number).ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
