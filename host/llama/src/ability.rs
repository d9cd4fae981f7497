//! What a model can do with a text.

use std::sync::Arc;

use llama_cpp_sys_2 as sys;
use mynah_settings::KvType;

use super::{Context, ContextParams, LlamaError, LlamaModel};

/// What a model can do with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ability {
    /// Read it token by token and continue it; it has vectors for it too.
    Continue,
    /// Read it as a whole, each token with those after it in view: it has vectors for it and
    /// continues none (`bert` and its like).
    Embed,
}

impl Ability {
    /// A model's; `None` where it needs an encoder to run first, or is one that llama.cpp runs
    /// apart (T5). `is_causal`: its file doesn't say that tokens see those after them.
    ///
    /// # Errors
    ///
    /// What llama.cpp logged when it could make no context.
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
        // Which architectures remember what they read is in no header and in no other function of
        // llama.cpp's.
        let context = Context::new(Arc::clone(model), SMALLEST)?;
        Ok(Some(match context.has_memory() {
            true => Self::Continue,
            false => Self::Embed,
        }))
    }
}

/// A context that is made to be asked and computes nothing.
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
