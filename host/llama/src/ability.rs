//! What a model can do with a text.

use std::sync::Arc;

use llama_cpp_sys_2 as sys;
use mynah_settings::KvType;

use super::{Context, ContextParams, LlamaError, LlamaModel};

/// What a model can do with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ability {
    /// Generate text, and embed it.
    Continue,
    /// Embed it as a whole, where each token attends to all others. It cannot generate text (`bert`
    /// and similar).
    Embed,
}

impl Ability {
    /// A model's ability. `None` if it needs an encoder to run first, or if llama.cpp runs it in
    /// another way (T5). `is_causal` is false if the file says that attention is not causal.
    ///
    /// # Errors
    ///
    /// llama.cpp's log messages if it could not create a context.
    pub fn of(model: &Arc<LlamaModel>, is_causal: bool) -> Result<Option<Self>, LlamaError> {
        let raw = model.raw();
        // SAFETY: the model is alive; both functions only read it.
        let decodes =
            unsafe { sys::llama_model_has_decoder(raw) && !sys::llama_model_has_encoder(raw) };
        if !decodes {
            return Ok(None);
        }
        if !is_causal {
            return Ok(Some(Self::Embed));
        }
        // Neither the header nor another function of llama.cpp says which architectures have a KV
        // cache.
        let context = Context::new(Arc::clone(model), SMALLEST)?;
        Ok(Some(match context.has_memory() {
            true => Self::Continue,
            false => Self::Embed,
        }))
    }
}

/// The smallest context, which only serves to ask and computes nothing.
const SMALLEST: ContextParams = ContextParams {
    cells: 16,
    split: false,
    batch: 16,
    sequences: 1,
    threads: 1,
    kv_type: KvType::F16,
    swa_full: false,
    positions: None,
    embeddings: true,
};
