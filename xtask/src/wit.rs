//! `cargo xtask wit`: the packages that our WIT depends on, byte for byte as their owners publish them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::paths;
use crate::process::{cargo, output, say};

/// `wasi:nn@0.2.0-rc-2024-10-28` of WebAssembly/wasi-nn, and its sha256. Nobody publishes it as a crate that we use, so it
/// is pinned.
const WASI_NN: &str = "wit/deps/nn/wasi-nn.wit";
const WASI_NN_SHA256: &str = "362c214e8192a7b4754575c6c22813409323690d089742504e661f3e5f5d2fe2";

/// `wasi:io`, of the crate whose bindings the host shares.
const WASI_IO: &str = "wit/deps/io/io.wit";
const WASI_IO_CRATE: &str = "wasmtime-wasi-io";
const WASI_IO_IN_CRATE: &str = "wit/deps/io.wit";

/// Copies what differs, or only says so.
pub(crate) fn wit(check_only: bool) -> Result<()> {
    check_wasi_nn()?;
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

fn check_wasi_nn() -> Result<()> {
    let bytes = std::fs::read(paths::root().join(WASI_NN))
        .with_context(|| format!("{WASI_NN} is missing"))?;
    let hash = Sha256::digest(bytes);
    let found: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    if found != WASI_NN_SHA256 {
        bail!("{WASI_NN} is not upstream's: its sha256 is {found}, it should be {WASI_NN_SHA256}");
    }
    Ok(())
}

/// Where cargo keeps the source of a dependency.
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
