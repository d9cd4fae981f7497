//! What a loaded model is, for whoever asks.

use std::path::{Path, PathBuf};

use crate::llama::LlamaModel;

use super::gguf::GgufHeader;
use crate::ChatTemplateName;
use crate::ModelConfig;
use crate::llama::Ability;

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

impl ModelInfo {
    pub(super) fn new(
        path: &Path,
        header: &GgufHeader,
        llama: &LlamaModel,
        config: &ModelConfig,
        ability: Ability,
    ) -> Self {
        let context_trained = llama.n_ctx_train();
        let vectors_only = ability == Ability::Embed;
        let read_whole = vectors_only.then_some(context_trained);
        let context_size = config.context_for(context_trained, header.positions().or(read_whole));
        if let Some(asked) = config.ctx_size.filter(|asked| *asked > context_size) {
            tracing::info!(
                model = name(header, path),
                ctx_size = asked,
                context = context_size,
                "the model takes no more tokens than it was trained on"
            );
        }
        Self {
            name: name(header, path),
            path: path.to_owned(),
            architecture: architecture(header),
            parameters: llama.n_params(),
            quantisation: header.file_type(),
            optimized_from: None,
            file_bytes: header.file_bytes,
            context_trained,
            context_size,
            layers: llama.n_layer(),
            layers_on_device: 0,
            vocabulary: u32::try_from(llama.n_vocab()).unwrap_or_default(),
            vectors_only,
            chat_template: None,
        }
    }
}

/// What the model calls itself; the file's name where it doesn't.
pub(super) fn name(header: &GgufHeader, path: &Path) -> String {
    let file_name = || Some(path.file_name()?.to_string_lossy().into_owned());
    let own = header.name().map(str::to_owned);
    own.or_else(file_name).unwrap_or_default()
}

/// `general.architecture`; `unknown` where the file says none.
pub(super) fn architecture(header: &GgufHeader) -> String {
    header.architecture().unwrap_or("unknown").to_owned()
}
