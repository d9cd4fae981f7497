//! The backend of isolated models.

/// The backend that the processes load models with, as [`About`](mynah_core::About) has it.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The name, such as `llama.cpp`.
    pub backend: &'static str,
    /// Its build.
    pub build: Vec<(&'static str, serde_json::Value)>,
}
