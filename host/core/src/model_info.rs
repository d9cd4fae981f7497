//! The description of a loaded model.

use std::path::PathBuf;

use mynah_settings::ChatTemplateName;

/// The description of a loaded model.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ModelInfo {
    /// `general.name` of the file, or the file's name if it has none.
    pub name: String,
    /// The requested file.
    pub path: PathBuf,
    /// `general.architecture`, such as `llama`.
    pub architecture: String,
    /// Number of weights.
    pub parameters: u64,
    /// Name of the quantisation of the weights in use, such as `Q8_0`.
    pub quantisation: String,
    /// Name of the quantisation of the file at `path`, if the weights in use are a converted copy
    /// of it ([`ModelConfig::optimize`](mynah_settings::ModelConfig::optimize)).
    pub optimized_from: Option<String>,
    /// File size of the weights in use, in bytes.
    pub file_bytes: u64,
    /// Context size that the model was trained with, in tokens.
    pub context_trained: u32,
    /// Context size of each session, in tokens.
    pub context_size: u32,
    /// Number of layers, without the output layer.
    pub layers: u32,
    /// Number of these layers that a graphics card computes.
    pub layers_on_device: u32,
    /// Number of tokens in the vocabulary. The ids are 0 to this minus one.
    pub vocabulary: u32,
    /// Whether the model only gives vectors ([`Session::embed`](crate::Session::embed)) and
    /// generates no text.
    pub vectors_only: bool,
    /// The built-in chat template in use. `None`: the file's own.
    pub chat_template: Option<ChatTemplateName>,
}
