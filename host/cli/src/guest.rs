//! Reads a guest's file and detects its kind. Every other kind of file gets an error that names it.

use std::path::Path;

use anyhow::{Context, Result, bail};

/// First bytes of every wasm file.
const MAGIC: &[u8] = b"\0asm";
/// The bytes after that in a core module: version 1, layer 0.
const CORE_MODULE: &[u8] = &[1, 0, 0, 0];

/// The kind of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Kind {
    /// A component.
    Component,
    /// A core module, for WASI preview 1.
    Module,
}

impl Kind {
    /// The kind's name in messages.
    pub(crate) fn name(self) -> &'static str {
        self.into()
    }
}

/// Reads a guest and detects its kind.
pub(crate) fn read(path: &Path) -> Result<(Kind, Vec<u8>)> {
    let shown = path.display();
    if path.is_dir() {
        bail!("{shown} is a folder: give a component or a core module, a .wasm file");
    }
    let bytes = std::fs::read(path).with_context(|| format!("the guest {shown} can't be read"))?;
    let kind = kind(&bytes)
        .with_context(|| format!("{shown} is neither a component nor a core module"))?;
    Ok((kind, bytes))
}

fn kind(bytes: &[u8]) -> Result<Kind> {
    match bytes.strip_prefix(MAGIC) {
        Some(rest) if rest.starts_with(CORE_MODULE) => Ok(Kind::Module),
        Some(_) => Ok(Kind::Component),
        None if bytes.is_empty() => bail!("it is empty"),
        None => bail!("it does not begin as WebAssembly does"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_guest_is_told_apart() {
        for (bytes, words) in [
            (&b""[..], "empty"),
            (b"\x7fELF", "does not begin"),
            (b"\0as", "does not begin"),
        ] {
            let error = kind(bytes).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn the_kinds_are_told_apart() {
        assert_eq!(kind(b"\0asm\x0d\0\x01\0").unwrap(), Kind::Component);
        assert_eq!(kind(b"\0asm\x01\0\0\0").unwrap(), Kind::Module);
    }
}
