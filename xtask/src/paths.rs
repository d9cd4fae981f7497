//! The paths of the project. No other file spells a folder.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

/// The target folder of the host's workspace.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        // A relative folder is relative to the caller's folder, but commands run in the repository.
        .and_then(|folder| std::path::absolute(folder).ok())
        .unwrap_or_else(|| root().join("target"))
}

/// A program of the host's workspace, in the profile that the tasks build.
pub(crate) fn binary(name: &str) -> PathBuf {
    target()
        .join("debug")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// Tools that the tasks install for this project only.
pub(crate) fn tools() -> PathBuf {
    target().join("tools")
}

/// Guests and examples, by wasm target.
pub(crate) fn guests() -> PathBuf {
    target().join("guests")
}

/// A guest built for a wasm target.
pub(crate) fn guest(target: &str, name: &str) -> PathBuf {
    guests()
        .join(target)
        .join("release")
        .join(format!("{name}.wasm"))
}

/// The workspace of the examples.
pub(crate) const EXAMPLES: &str = "examples/components/Cargo.toml";
/// The workspace of the test guests.
pub(crate) const TEST_GUESTS: &str = "tests/guests/Cargo.toml";
/// The workspace of the test guests that are core modules.
pub(crate) const CORE_GUESTS: &str = "tests/core-guests/Cargo.toml";
/// The workspace of the program that embeds the host with a backend of its own.
pub(crate) const EMBEDDER: &str = "tests/embedder/Cargo.toml";
/// The workspace of the fuzz targets.
pub(crate) const FUZZ: &str = "fuzz/Cargo.toml";

/// The folder of models: in `MYNAH_CACHE`, or in `mynah` in the user's cache folder by the XDG
/// rules.
pub(crate) fn models() -> Result<PathBuf> {
    models_with(|name| std::env::var_os(name))
}

fn models_with(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf> {
    let set = |name| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    // The XDG rules say to ignore a relative path.
    let absolute = |path: &PathBuf| path.is_absolute();
    let cache = set("MYNAH_CACHE")
        .or_else(|| Some(set("XDG_CACHE_HOME").filter(absolute)?.join("mynah")))
        .or_else(|| Some(set("HOME")?.join(".cache").join("mynah")))
        .context("no cache folder: set MYNAH_CACHE to one")?;
    Ok(std::path::absolute(cache)?.join("models"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Option<PathBuf> {
        models_with(|name| {
            let found = variables.iter().find(|(key, _)| *key == name)?;
            Some(found.1.into())
        })
        .ok()
    }

    #[test]
    fn the_cache_follows_the_xdg_rules_and_mynah_cache_moves_it() {
        let home = ("HOME", "/h");
        assert_eq!(with(&[home]), Some("/h/.cache/mynah/models".into()));
        assert_eq!(
            with(&[home, ("XDG_CACHE_HOME", "/x")]),
            Some("/x/mynah/models".into())
        );
        assert_eq!(
            with(&[home, ("XDG_CACHE_HOME", "x")]),
            Some("/h/.cache/mynah/models".into())
        );
        assert_eq!(
            with(&[home, ("XDG_CACHE_HOME", "")]),
            Some("/h/.cache/mynah/models".into())
        );
        assert_eq!(
            with(&[home, ("MYNAH_CACHE", "/m")]),
            Some("/m/models".into())
        );
        assert_eq!(with(&[]), None);
    }
}
