//! `cargo xtask wit`: keeps the packages that our WIT depends on identical to the published ones.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::paths;
use crate::process::{cargo, output, say};

/// The snapshots of `wasi:nn` from WebAssembly/wasi-nn with their sha256: 0.2.0-rc-2024-10-28 and
/// the older ones that the host also serves. None of the crates that we use contains them, so they
/// are pinned.
const WASI_NN: [(&str, &str); 3] = [
    (
        "wit/deps/nn/wasi-nn.wit",
        "362c214e8192a7b4754575c6c22813409323690d089742504e661f3e5f5d2fe2",
    ),
    (
        "wit/older/nn-2024-08-19/wasi-nn.wit",
        "b095998001e22bd9e37cd72f25d617c431d1ca675e84d934adf7a69e388ba8ef",
    ),
    (
        "wit/older/nn-2024-06-25/wasi-nn.wit",
        "9a91452d3d0eaa29f46467373dc4984717ef257fd8a8840b0633d05b9ccb09d7",
    ),
];

/// `wasi:io`, from the crate whose bindings the host shares.
const WASI_IO: &str = "wit/deps/io/io.wit";
const WASI_IO_CRATE: &str = "wasmtime-wasi-io";
const WASI_IO_IN_CRATE: &str = "wit/deps/io.wit";

/// Copies a package that differs. With `check_only`, only reports it.
pub(crate) fn wit(check_only: bool) -> Result<()> {
    for (file, sha256) in WASI_NN {
        check_pinned(file, sha256)?;
    }
    let ours = paths::root().join(WASI_IO);
    let theirs = std::fs::read(crate_folder(WASI_IO_CRATE)?.join(WASI_IO_IN_CRATE))?;
    if std::fs::read(&ours).is_ok_and(|ours| ours == theirs) {
        return Ok(());
    }
    if check_only {
        bail!("{WASI_IO} is not that of {WASI_IO_CRATE}: `cargo xtask wit` copies it");
    }
    std::fs::write(ours, theirs)?;
    say(&format!("    {WASI_IO} is that of {WASI_IO_CRATE} again"));
    Ok(())
}

fn check_pinned(file: &str, sha256: &str) -> Result<()> {
    let bytes =
        std::fs::read(paths::root().join(file)).with_context(|| format!("{file} is missing"))?;
    let hash = Sha256::digest(bytes);
    let found: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    if found != sha256 {
        bail!("{file} is not upstream's: its sha256 is {found}, it should be {sha256}");
    }
    Ok(())
}

/// The folder in which cargo keeps a dependency's source.
fn crate_folder(name: &str) -> Result<PathBuf> {
    let metadata = output(cargo().args(["metadata", "--format-version", "1", "--locked"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let packages = metadata
        .get("packages")
        .and_then(|packages| packages.as_array());
    let manifest = packages
        .into_iter()
        .flatten()
        .find(|package| package.get("name").is_some_and(|found| found == name))
        .and_then(|package| package.get("manifest_path")?.as_str())
        .with_context(|| format!("{name} is not a dependency of this workspace"))?;
    let folder = Path::new(manifest).parent();
    Ok(folder.context("a manifest without a folder")?.to_owned())
}
