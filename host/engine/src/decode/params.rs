//! The parameters of a model's worker.

use std::sync::Arc;

use mynah_llama::{Ability, ContextParams};
use mynah_settings::ModelConfig;

/// The parameters of a worker.
#[derive(Debug, Clone)]
pub(crate) struct WorkerParams {
    pub(crate) context: ContextParams,
    /// Tokens that one sequence holds.
    pub(crate) context_tokens: u32,
    /// With [`Ability::Embed`] there are vectors alone, and no KV cells.
    pub(crate) ability: Ability,
    /// How the model is served: the settings that hold while the worker runs are read here.
    pub(crate) config: Arc<ModelConfig>,
}
