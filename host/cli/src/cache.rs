//! The cache folder, for data that the host can create again: compiled components and converted
//! models. It also holds the host's socket if the system has no better folder.

use std::path::PathBuf;

use anyhow::{Context, Result};
use etcetera::BaseStrategy;
use mynah_settings::{Optimize, Target};
use wasmtime::{Cache, CacheConfig};

/// The variable that sets the cache folder.
const VARIABLE: &str = "MYNAH_CACHE";

/// The cache folder: `MYNAH_CACHE`, or `mynah` in the user's cache folder (on Linux
/// `$XDG_CACHE_HOME` or `~/.cache`).
pub(crate) fn folder() -> Option<PathBuf> {
    match std::env::var_os(VARIABLE) {
        Some(folder) if !folder.is_empty() => std::path::absolute(folder).ok(),
        _ => etcetera::choose_base_strategy()
            .ok()
            .map(|folders| folders.cache_dir().join("mynah")),
    }
}

/// The cache of compiled components. An unusable folder only costs time, so it causes a warning
/// instead of an error.
pub(crate) fn compiled_components() -> Option<Cache> {
    let folder = folder()?.join("components");
    let mut config = CacheConfig::new();
    config.with_directory(&folder);
    Cache::new(config)
        .inspect_err(|error| {
            let folder = folder.display();
            tracing::warn!(
                "compiled components are not cached because {folder} can't be used: {error:#}"
            );
        })
        .ok()
}

/// The setting that converts models to `target` and stores them in the cache folder. A missing
/// folder is an error here, because the operator asked for the conversion.
pub(crate) fn optimized_models(target: Target) -> Result<Optimize> {
    let cache = folder().with_context(|| {
        format!("there is no cache folder for converted models: set {VARIABLE} to a folder")
    })?;
    Ok(Optimize { target, cache })
}
