//! Process-wide start of llama.cpp: once, on first use.

use std::sync::OnceLock;

use llama_cpp_2::llama_backend::LlamaBackend;

use super::LlamaError;

/// The started llama.cpp, for programs that use `llama-cpp-2` beside this engine: it can be started
/// only once a process. It stays as long as the process does.
///
/// # Errors
///
/// [`LlamaError::Start`] when somebody else in this process has started it.
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

/// Loads the kernel libraries of a portable build: from `backends/` beside the program where it is
/// installed, else from where they were built. llama.cpp picks the best one for the CPU that it
/// finds.
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
