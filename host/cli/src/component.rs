//! Reading a component file, with an answer for everything that is not one.

use std::path::Path;

use anyhow::{Context, Result, bail};

/// First bytes of every wasm file.
const MAGIC: &[u8] = b"\0asm";
/// What follows in a core module: version 1, layer 0.
const CORE_MODULE: &[u8] = &[1, 0, 0, 0];

/// The bytes of a component.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let shown = path.display();
    if path.is_dir() {
        bail!("{shown} is a folder: give a component, a .wasm file");
    }
    let bytes =
        std::fs::read(path).with_context(|| format!("the component {shown} can't be read"))?;
    check(&bytes).with_context(|| format!("{shown} is not a component"))?;
    Ok(bytes)
}

fn check(bytes: &[u8]) -> Result<()> {
    match bytes.strip_prefix(MAGIC) {
        Some(rest) if rest.starts_with(CORE_MODULE) => bail!(
            "it is a core WebAssembly module: build it with cargo-component, or with `--target wasm32-wasip2`"
        ),
        Some(_) => Ok(()),
        None if bytes.is_empty() => bail!("it is empty"),
        None => bail!("it does not begin as WebAssembly does"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_component_is_told_apart() {
        for (bytes, words) in [
            (&b""[..], "empty"),
            (b"\x7fELF", "does not begin"),
            (b"\0as", "does not begin"),
            (b"\0asm\x01\0\0\0", "core WebAssembly module"),
        ] {
            let error = check(bytes).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        check(b"\0asm\x0d\0\x01\0").unwrap();
    }
}
