//! Where the host keeps what it can make again: compiled components.

use std::path::PathBuf;

use etcetera::BaseStrategy;
use wasmtime::{Cache, CacheConfig};

/// The variable that moves the cache folder.
const VARIABLE: &str = "MYNAH_CACHE";

/// The cache folder: `MYNAH_CACHE`, else `mynah` in the user's cache folder (on Linux `$XDG_CACHE_HOME` or `~/.cache`).
fn folder() -> Option<PathBuf> {
    match std::env::var_os(VARIABLE) {
        Some(folder) if !folder.is_empty() => std::path::absolute(folder).ok(),
        _ => etcetera::choose_base_strategy()
            .ok()
            .map(|folders| folders.cache_dir().join("mynah")),
    }
}

/// The cache of compiled components. A folder that can't be used costs time and is worth a warning, not a failure.
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
