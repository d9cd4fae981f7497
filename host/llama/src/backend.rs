//! Starts llama.cpp once per process, on first use.

use std::sync::OnceLock;

use llama_cpp_2::llama_backend::LlamaBackend;

use super::LlamaError;

/// The started llama.cpp, for programs that use `llama-cpp-2` beside this engine: it can only be
/// started once per process. It stays until the process ends.
///
/// # Errors
///
/// [`LlamaError::Start`] if other code in this process has started it.
pub fn llama_backend() -> Result<&'static LlamaBackend, LlamaError> {
    static BACKEND: OnceLock<Result<LlamaBackend, String>> = OnceLock::new();
    BACKEND
        .get_or_init(|| {
            super::log::redirect();
            #[cfg(feature = "portable")]
            load_kernels();
            LlamaBackend::init().map_err(|error| error.to_string())
        })
        .as_ref()
        .map_err(|reason| LlamaError::Start {
            reason: reason.clone(),
        })
}

/// Loads the kernel libraries of a portable build: from `backends/` beside the program if it is
/// installed, else from the build folder. llama.cpp picks the best one for the CPU.
#[cfg(feature = "portable")]
fn load_kernels() {
    use llama_cpp_2::llama_backend::{load_backends, load_backends_from_path};

    let beside = std::env::current_exe()
        .ok()
        .and_then(|program| Some(program.parent()?.join("backends")));
    match beside {
        Some(folder) if folder.is_dir() => load_backends_from_path(&folder),
        _ => load_backends(),
    }
}
