//! The imports and exports of a core module.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use wasmparser::{Parser, Payload};

use super::found::{DIR, ENV, Found, MODEL};

/// The WASI version of core modules.
const PREVIEW_1: &str = "wasi_snapshot_preview1";
/// The neural network ABI of core modules, `wasi_ephemeral_nn`.
const NN: &str = "wasi_ephemeral_nn";
/// The functions of that ABI.
const NN_FUNCTIONS: [&str; 12] = [
    "compute",
    "compute_single",
    "finalize_execution_context",
    "fini_single",
    "get_output",
    "get_output_single",
    "init_execution_context",
    "load",
    "load_by_name",
    "load_by_name_with_config",
    "set_input",
    "unload",
];

/// Reads a core module.
pub(super) fn look(bytes: &[u8]) -> Result<Found> {
    let (imports, exports) = decode(bytes)?;
    Ok(Found {
        runs: match exports.contains("_start") {
            true => "yes: it is a command",
            false => "no: it does not export _start",
        },
        grants: grants(&imports),
        imports: imports
            .into_iter()
            .flat_map(|(module, names)| describe(module, names))
            .collect(),
        exports,
    })
}

/// The imports that the host lacks, each with the reason.
pub(super) fn missing(bytes: &[u8]) -> Result<Vec<(String, String)>> {
    let (imports, _) = decode(bytes)?;
    let names =
        |(module, names): (_, BTreeSet<_>)| names.into_iter().map(move |name| (module, name));
    let all = imports.into_iter().flat_map(names);
    Ok(all
        .filter(|(module, name)| !is_served(module, name))
        .map(|(module, name)| (format!("{module} {name}"), lack(module).to_owned()))
        .collect())
}

/// Imported names by module, and exported names.
type Names<'a> = (BTreeMap<&'a str, BTreeSet<&'a str>>, BTreeSet<String>);

fn decode(bytes: &[u8]) -> Result<Names<'_>> {
    let mut imports: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut exports = BTreeSet::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    imports
                        .entry(import.module)
                        .or_default()
                        .insert(import.name);
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    exports.insert(export?.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}

fn is_served(module: &str, name: &str) -> bool {
    match module {
        NN => NN_FUNCTIONS.contains(&name),
        // wasmtime defines the functions of WASI; linking reports a missing one.
        PREVIEW_1 => true,
        _ => false,
    }
}

/// Why the host lacks an import of this module.
fn lack(module: &str) -> &'static str {
    match module {
        NN => "Mynah does not have this function",
        "wasi_unstable" => "it was before WASI preview 1: build the module for wasm32-wasip1",
        "env" => "it is for Emscripten or a browser: build the module for wasm32-wasip1",
        _ => "Mynah does not have it",
    }
}

/// The imports of one module: one line for all that the host serves, and one line for each that it
/// does not serve.
fn describe(module: &str, names: BTreeSet<&str>) -> Vec<String> {
    let (served, others): (Vec<&str>, Vec<&str>) =
        names.into_iter().partition(|name| is_served(module, name));
    let mut lines: Vec<String> = others
        .into_iter()
        .map(|name| format!("{module} {name}  (not served here)"))
        .collect();
    if !served.is_empty() {
        let note = if module == NN { "  (served)" } else { "" };
        lines.push(format!("{module}: {}{note}", served.join(", ")));
    }
    lines
}

/// The flags of `mynah run` that the module needs, derived from its imports.
fn grants(imports: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<&'static str> {
    let has = |module, name| {
        imports
            .get(module)
            .is_some_and(|names| names.contains(name))
    };
    let mut grants = Vec::new();
    if has(NN, "load_by_name") || has(NN, "load_by_name_with_config") {
        grants.push(MODEL);
        grants.push("or --nn-preload NAME:GGML:AUTO:PATH, which is the same");
    }
    if has(NN, "load") {
        grants.push("--allow-guest-models if it brings models of its own");
    }
    if has(PREVIEW_1, "fd_prestat_get") {
        grants.push(DIR);
    }
    if has(PREVIEW_1, "environ_get") {
        grants.push(ENV);
    }
    grants
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_told_apart() {
        let names = BTreeSet::from(["compute", "compute_async"]);
        assert_eq!(
            describe(NN, names),
            [
                "wasi_ephemeral_nn compute_async  (not served here)",
                "wasi_ephemeral_nn: compute  (served)"
            ]
        );
        assert_eq!(
            describe("env", BTreeSet::from(["f"])),
            ["env f  (not served here)"]
        );
    }

    #[test]
    fn an_empty_module_needs_nothing() {
        let found = look(b"\0asm\x01\0\0\0").unwrap();
        assert!(found.imports.is_empty() && found.grants.is_empty());
        assert!(found.runs.starts_with("no"));
        assert!(look(b"\0asm\x01\0\0\0\x01\xff").is_err());
    }
}
