//! `cargo xtask fixture`: builds the guest that uses the whole contract and stores it as the
//! fixture of the version in `wit/`.

use anyhow::{Context, Result, bail, ensure};

use crate::process::say;
use crate::{guests, paths};

/// The guest, and the folder of the fixtures.
const GUEST: &str = "version_whole";
const FOLDER: &str = "tests/fixtures";
/// The file with the version of the contract.
const PACKAGE: &str = "wit/world.wit";
/// Maximum size of a fixture in bytes, because it stays in the repository for good.
const MAX_BYTES: usize = 300 << 10;

/// Which fixture may be written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Overwrite an existing file. Only allowed before its version is published; afterwards it must
    /// never change.
    #[arg(long)]
    unpublished: bool,
}

/// Builds the guest and copies it.
pub(crate) fn fixture(args: &Args) -> Result<()> {
    let wit = std::fs::read_to_string(paths::root().join(PACKAGE))?;
    let version = version(&wit).with_context(|| format!("{PACKAGE} has no version"))?;
    let name = format!("{FOLDER}/mynah-llm-{version}.wasm");
    let file = paths::root().join(&name);
    if file.exists() && !args.unpublished {
        bail!(
            "{name} is there: a published version's guest is never built again. Before it is \
             published, `--unpublished` does"
        );
    }
    guests::test_guests()?;
    let built = paths::guest("wasm32-wasip2", GUEST);
    let bytes =
        std::fs::read(&built).with_context(|| format!("{} can't be read", built.display()))?;
    ensure!(
        bytes.len() <= MAX_BYTES,
        "{GUEST} has {} bytes, at most {MAX_BYTES} are kept",
        bytes.len()
    );
    std::fs::write(&file, &bytes)?;
    say(&format!(
        "    {name}: {} bytes; name {version} among the published versions in \
         tests/suite/contract/versions.rs",
        bytes.len()
    ));
    Ok(())
}

/// The version in `package mynah:llm@VERSION;`.
fn version(wit: &str) -> Option<&str> {
    let begin = "package mynah:llm@";
    let line = wit.lines().find_map(|line| line.strip_prefix(begin))?;
    line.strip_suffix(';')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_packages() {
        let wit = "/// Words.\npackage mynah:llm@1.2.3;\n\nworld imports {}";
        assert_eq!(version(wit), Some("1.2.3"));
        assert_eq!(version("package mynah:llm;"), None);
    }
}
