//! The description of a loaded model, from its file and llama.cpp.

use std::path::Path;

use mynah_core::ModelInfo;
use mynah_llama::{Ability, LlamaModel};
use mynah_settings::ModelConfig;

use super::gguf::GgufHeader;

/// The description of the model in this file, served with this configuration.
pub(super) fn model_info(
    path: &Path,
    header: &GgufHeader,
    llama: &LlamaModel,
    config: &ModelConfig,
    ability: Ability,
) -> ModelInfo {
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
    if context_size > context_trained {
        tracing::warn!(
            model = name(header, path),
            context_size,
            context_trained,
            "the context is longer than what the model was trained on: answers may get worse \
             beyond it (`ctx_size`)"
        );
    }
    if header.lacks_pre_tokenizer() {
        tracing::warn!(
            model = name(header, path),
            "the model's file does not name its pre-tokenizer (`tokenizer.ggml.pre`): text may be \
             split into other tokens than it was trained on. Convert the model again"
        );
    }
    ModelInfo {
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
/// The model's own name, or the file's name if it has none.
pub(super) fn name(header: &GgufHeader, path: &Path) -> String {
    let file_name = || Some(path.file_name()?.to_string_lossy().into_owned());
    let own = header.name().map(str::to_owned);
    own.or_else(file_name).unwrap_or_default()
}

/// `general.architecture`, or `unknown` if the file has none.
pub(super) fn architecture(header: &GgufHeader) -> String {
    header.architecture().unwrap_or("unknown").to_owned()
}
