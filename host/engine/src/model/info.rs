//! What a loaded model is, for whoever asks.

use std::path::{Path, PathBuf};

use llama_cpp_2::model::LlamaModel;

use super::ChatTemplateName;
use super::gguf::GgufHeader;
use crate::ModelConfig;

/// What a loaded model is.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Name of the quantisation of the file at `path`, where the weights in use are a converted copy of it
    /// ([`ModelConfig::optimize`]).
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
    /// It reads texts as a whole: it has vectors for them ([`Session::embed`](crate::Session::embed)) and generates none.
    pub vectors_only: bool,
    /// The built-in template that messages are rendered with; `None`: the file's own.
    pub chat_template: Option<ChatTemplateName>,
}

impl ModelInfo {
    pub(super) fn new(
        path: &Path,
        header: &GgufHeader,
        optimized_from: Option<String>,
        llama: &LlamaModel,
        config: &ModelConfig,
        chat_template: Option<ChatTemplateName>,
        device_layers: u32,
    ) -> Self {
        let layers = llama.n_layer();
        let context_trained = llama.n_ctx_train();
        let file_name = || {
            path.file_name()
                .map(|name| name.to_string_lossy().into_owned())
        };
        Self {
            name: header
                .name()
                .map(str::to_owned)
                .or_else(file_name)
                .unwrap_or_default(),
            path: path.to_owned(),
            architecture: header.architecture().unwrap_or("unknown").to_owned(),
            parameters: llama.n_params(),
            quantisation: header.file_type(),
            optimized_from,
            file_bytes: header.file_bytes,
            context_trained,
            context_size: config.context_for(context_trained),
            layers,
            layers_on_device: device_layers.min(layers),
            vocabulary: u32::try_from(llama.n_vocab()).unwrap_or_default(),
            vectors_only: false,
            chat_template,
        }
    }

    /// Makes it that of a model that reads texts as a whole. Its positions end where its training did: in `bert` they are rows of a table.
    pub(super) fn embeds_only(&mut self) {
        self.vectors_only = true;
        if self.context_size > self.context_trained {
            tracing::info!(
                model = self.name,
                ctx_size = self.context_size,
                context = self.context_trained,
                "the model embeds texts, and takes no more tokens than it was trained on"
            );
            self.context_size = self.context_trained;
        }
    }
}
