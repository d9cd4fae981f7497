//! The cache folder, for data that the host can create again: compiled components and converted
//! models. It also holds the host's socket if the system has no better folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use etcetera::BaseStrategy;
use mynah_core::files;
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

/// The subfolder in which wasmtime keeps compiled components, and the prefix of its folders there.
const MODULES: (&str, &str) = ("modules", "wasmtime-");

/// The prefix of the file with which a process of wasmtime says that it removes old entries.
const CLEANUP: &str = ".cleanup.";

/// The cache of compiled components. An unusable folder only costs time, so it causes a warning
/// instead of an error.
pub(crate) fn compiled_components() -> Option<Cache> {
    let folder = folder()?.join("components");
    components_in(&folder)
        .inspect_err(|error| {
            tracing::warn!("compiled components are not cached: {error:#}");
        })
        .ok()
}

fn components_in(folder: &Path) -> Result<Cache> {
    files::private_folder(folder)?;
    // wasmtime removes everything else from its folder.
    if let Some(foreign) = foreign(folder)? {
        bail!(
            "{} is not Mynah's, and a cache beside it would remove it: move it, or set {VARIABLE} \
             to another folder",
            foreign.display()
        );
    }
    let mut config = CacheConfig::new();
    config.with_directory(folder);
    Cache::new(config).map_err(|error| anyhow!("{} can't be used: {error:#}", folder.display()))
}

/// Something in the folder of compiled components that wasmtime has not put there.
fn foreign(folder: &Path) -> Result<Option<PathBuf>> {
    let (modules, prefix) = MODULES;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        if kind.is_file() && name.to_str().is_some_and(|name| name.starts_with(CLEANUP)) {
            continue;
        }
        if name != modules || !kind.is_dir() {
            return Ok(Some(entry.path()));
        }
        for entry in std::fs::read_dir(entry.path())? {
            let entry = entry?;
            let name = entry.file_name();
            let is_wasmtimes = name.to_str().is_some_and(|name| name.starts_with(prefix));
            if !is_wasmtimes || !entry.file_type()?.is_dir() {
                return Ok(Some(entry.path()));
            }
        }
    }
    Ok(None)
}

/// The setting that converts models to `target` and stores them in the cache folder. A missing
/// folder is an error here, because the operator asked for the conversion.
pub(crate) fn optimized_models(target: Target) -> Result<Optimize> {
    let cache = folder().with_context(|| {
        format!("there is no cache folder for converted models: set {VARIABLE} to a folder")
    })?;
    Ok(Optimize { target, cache })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn refused(folder: &Path) -> String {
        format!("{:#}", components_in(folder).unwrap_err())
    }

    #[test]
    fn a_folder_with_files_of_others_is_no_cache() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("components");
        components_in(&folder).unwrap();
        components_in(&folder).unwrap();
        std::fs::create_dir_all(folder.join("modules/wasmtime-48")).unwrap();
        std::fs::write(folder.join(".cleanup.wip-4711"), "").unwrap();
        components_in(&folder).unwrap();
        for foreign in ["modules/notes", "button.js"] {
            let path = folder.join(foreign);
            std::fs::write(&path, "data").unwrap();
            assert!(refused(&folder).contains(foreign), "{}", refused(&folder));
            std::fs::remove_file(path).unwrap();
        }
        let link = place.path().join("link");
        symlink(&folder, &link).unwrap();
        assert!(refused(&link).contains("symbolic link"));
    }
}
