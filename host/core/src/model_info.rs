//! What a loaded model is, for whoever asks.

use std::path::PathBuf;

use mynah_settings::ChatTemplateName;

/// What a loaded model is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelInfo {
    /// `general.name` of the file, else the file's name.
    pub name: String,
    /// The file that was asked for.
    pub path: PathBuf,
    /// `general.architecture`, such as `llama`.
    pub architecture: String,
    /// Weights.
    pub parameters: u64,
    /// Name of the quantisation of the weights in use, such as `Q8_0`.
    pub quantisation: String,
    /// Name of the quantisation of the file at `path`, where the weights in use are a converted
    /// copy of it ([`ModelConfig::optimize`]).
    pub optimized_from: Option<String>,
    /// Bytes of the weights in use, as a file.
    pub file_bytes: u64,
    /// Tokens that the model was trained to hold.
    pub context_trained: u32,
    /// Tokens that each session holds.
    pub context_size: u32,
    /// Layers, without the output layer.
    pub layers: u32,
    /// Of these, layers that a graphics card computes.
    pub layers_on_device: u32,
    /// Tokens in the vocabulary; ids go from 0 to one less.
    pub vocabulary: u32,
    /// It reads texts as a whole: it has vectors for them
    /// ([`Session::embed`](crate::Session::embed)) and generates none.
    pub vectors_only: bool,
    /// The built-in template that messages are rendered with; `None`: the file's own.
    pub chat_template: Option<ChatTemplateName>,
}
