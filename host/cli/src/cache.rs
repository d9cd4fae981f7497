//! Where the host keeps what it can make again: compiled components and converted models. Also of
//! its socket where the system has no better folder.

use std::path::PathBuf;

use anyhow::{Context, Result};
use etcetera::BaseStrategy;
use mynah_engine::model::optimize::{Optimize, Target};
use wasmtime::{Cache, CacheConfig};

/// The variable that moves the cache folder.
const VARIABLE: &str = "MYNAH_CACHE";

/// The cache folder: `MYNAH_CACHE`, else `mynah` in the user's cache folder (on Linux
/// `$XDG_CACHE_HOME` or `~/.cache`).
pub(crate) fn folder() -> Option<PathBuf> {
    match std::env::var_os(VARIABLE) {
        Some(folder) if !folder.is_empty() => std::path::absolute(folder).ok(),
        _ => etcetera::choose_base_strategy()
            .ok()
            .map(|folders| folders.cache_dir().join("mynah")),
    }
}

/// The cache of compiled components. A folder that can't be used costs time and is worth a warning,
/// not a failure.
pub(crate) fn compiled_components() -> Option<Cache> {
    let folder = folder()?.join("components");
    let mut config = CacheConfig::new();
    config.with_directory(&folder);
    Cache::new(config)
        .inspect_err(|error| {
            let folder = folder.display();
            tracing::warn!("compiled components are not kept, {folder} can't be used: {error:#}");
        })
        .ok()
}

/// The setting that converts models to `target` and keeps them in the cache folder. Unlike with
/// components there is no going on without one: the operator asked for it.
pub(crate) fn optimized_models(target: Target) -> Result<Optimize> {
    let cache = folder().with_context(|| {
        format!("there is no cache folder to keep converted models in: set {VARIABLE} to one")
    })?;
    Ok(Optimize { target, cache })
}
