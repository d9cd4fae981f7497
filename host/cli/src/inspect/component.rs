//! The imports and exports of a component.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use wit_component::DecodedWasm;
use wit_parser::{Resolve, WorldItem, WorldKey};

use super::found::{DIR, ENV, Found, MODEL};
use super::served::{Served, served};

/// Reads a component.
pub(super) fn look(bytes: &[u8]) -> Result<Found> {
    let (imports, exports) = decode(bytes)?;
    Ok(Found {
        runs: match is_command(&exports) {
            true => "yes: it is a command",
            false => "no: it does not export wasi:cli/run",
        },
        grants: grants(&imports),
        imports: imports.iter().map(|name| describe(name)).collect(),
        exports,
    })
}

/// The imports that the host lacks, each with the reason.
pub(super) fn missing(bytes: &[u8]) -> Result<Vec<(String, String)>> {
    let (imports, _) = decode(bytes)?;
    let lacks = |import: String| served(&import).lack().map(|reason| (import, reason));
    Ok(imports.into_iter().filter_map(lacks).collect())
}

/// The names of the imports and of the exports.
fn decode(bytes: &[u8]) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(bytes)? else {
        bail!("it is a WIT package");
    };
    let world = resolve
        .worlds
        .get(world)
        .context("the component has no world")?;
    let imports = names(&resolve, world.imports.iter());
    Ok((imports, names(&resolve, world.exports.iter())))
}

fn names<'a>(
    resolve: &Resolve,
    items: impl Iterator<Item = (&'a WorldKey, &'a WorldItem)>,
) -> BTreeSet<String> {
    items
        .filter(|(_, item)| !matches!(item, WorldItem::Type { .. }))
        .map(|(key, _)| resolve.name_world_key(key))
        .collect()
}

fn is_command(exports: &BTreeSet<String>) -> bool {
    exports
        .iter()
        .any(|name| name.starts_with("wasi:cli/run@0.2."))
}

/// An import, with a note on whether the host serves it.
fn describe(import: &str) -> String {
    let note = match served(import) {
        Served::Here => "  (served)",
        Served::Wasi => "",
        Served::OtherVersion(_) => "  (this version is not served here)",
        Served::No(_) => "  (not served here)",
    };
    format!("{import}{note}")
}

/// The flags of `mynah run` that the component needs, derived from its imports.
fn grants(imports: &BTreeSet<String>) -> Vec<&'static str> {
    let has = |prefix: &str| imports.iter().any(|import| import.starts_with(prefix));
    let mut grants = Vec::new();
    if has("wasi:nn/graph@") {
        grants.push(MODEL);
    }
    if has("wasi:filesystem/preopens@") {
        grants.push(DIR);
    }
    if has("wasi:cli/environment@") {
        grants.push(ENV);
    }
    grants
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_told_apart() {
        assert!(describe("wasi:nn/graph@0.2.0-rc-2024-10-28").ends_with("(served)"));
        assert!(describe("wasi:nn/graph@0.2.0-rc-2024-06-25").ends_with("(served)"));
        assert!(describe("wasi:nn/graph@0.2.0-rc-2023-01-01").contains("this version is not"));
        assert!(describe("mynah:llm/generation@0.1.0").ends_with("(served)"));
        assert!(describe("mynah:llm/generation@9.0.0").contains("this version is not"));
        assert!(describe("test:absent/nothing").contains("not served"));
        assert_eq!(describe("wasi:io/poll@0.2.6"), "wasi:io/poll@0.2.6");
    }

    #[test]
    fn grants_follow_from_imports() {
        let imports = ["wasi:nn/graph@0.2.0-rc-2024-10-28".to_owned()].into();
        assert!(
            grants(&imports)
                .iter()
                .any(|grant| grant.contains("--model"))
        );
        assert!(grants(&BTreeSet::new()).is_empty());
    }
}
