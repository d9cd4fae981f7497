//! The targets of log lines. A filter that names another one would show nothing.

use mynah_core::log::{CONTENT, MEMORY, PERFORMANCE, TASK};
use mynah_settings::closest;

/// The target of llama.cpp's own lines.
pub(super) const LLAMA_CPP: &str = "llama_cpp";
/// The target of lines about the log itself, such as a count of lost lines.
pub(super) const LOG: &str = "mynah::log";

/// The targets that are not modules.
pub(super) const CLASSES: [&str; 6] = [CONTENT, MEMORY, PERFORMANCE, TASK, LOG, LLAMA_CPP];

/// The host's modules that log under their own path.
const MODULES: [&str; 34] = [
    "mynah::cache",
    "mynah::config",
    "mynah::config::merge",
    "mynah::control::server",
    "mynah::http",
    "mynah::logging",
    "mynah::telemetry",
    "mynah::telemetry::client",
    "mynah::telemetry::figures",
    "mynah::telemetry::spans",
    "mynah_engine::decode::cache::disk_state",
    "mynah_engine::decode::embed::embedder",
    "mynah_engine::decode::engine",
    "mynah_engine::decode::worker",
    "mynah_engine::disk::folder",
    "mynah_engine::model::answer",
    "mynah_engine::model::build_advice",
    "mynah_engine::model::info",
    "mynah_engine::model::load",
    "mynah_engine::model::loaded",
    "mynah_engine::model::optimize::cache",
    "mynah_engine::model::prompt",
    "mynah_engine::model::recommended",
    "mynah_engine::model::slot",
    "mynah_engine::model::weights",
    "mynah_engine::prepare::pool",
    "mynah_isolate::parent::loader",
    "mynah_isolate::parent::process",
    "mynah_llama::cells",
    "mynah_llama::compute",
    "mynah_wasi::ephemeral",
    "mynah_wasi::ephemeral::compute",
    "mynah_wasi::ephemeral::graph",
    "mynah_wasi::ephemeral::state",
];

/// The libraries that log.
const LIBRARIES: [&str; 23] = [
    "bindgen",
    "cranelift_codegen",
    "cranelift_frontend",
    "jiff",
    "jiff_core",
    "llama_cpp_2",
    "mio",
    "pulley_interpreter",
    "regalloc2",
    "tracing_log",
    "ureq",
    "ureq_proto",
    "wasmtime",
    "wasmtime_environ",
    "wasmtime_internal_cache",
    "wasmtime_internal_cranelift",
    "wasmtime_internal_unwinder",
    "wasmtime_wasi",
    "wasmtime_wasi_io",
    "wiggle",
    "wit_component",
    "wit_parser",
    "witx",
];

/// Checks that lines with this target, or in a module of it, can exist.
///
/// # Errors
///
/// What was probably meant, or what there is.
pub(super) fn check(target: &str) -> Result<(), String> {
    let crate_of = target.split("::").next().unwrap_or_default();
    if LIBRARIES.contains(&crate_of) || all().any(|known| contains(target, known)) {
        return Ok(());
    }
    let known: Vec<&str> = all().flat_map(with_parents).collect();
    Err(match closest(target, &known) {
        Some(close) => format!("nothing is logged as `{target}`: did you mean `{close}`?"),
        None => {
            let classes = CLASSES.map(|class| format!("`{class}`")).join(", ");
            format!(
                "nothing is logged as `{target}`: targets are {classes}, modules such as \
                 `mynah_engine::model`, and libraries such as `wasmtime`"
            )
        }
    })
}

fn all() -> impl Iterator<Item = &'static str> {
    CLASSES.into_iter().chain(MODULES).chain(LIBRARIES)
}

/// Whether a target is `part`, or the beginning of it: `mynah` stands for `mynah_engine` and for
/// `mynah::task`.
fn contains(part: &str, target: &str) -> bool {
    let rest = target.strip_prefix(part);
    !part.is_empty()
        && rest
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::") || rest.starts_with('_'))
}

/// A path and the modules that it is in.
fn with_parents(path: &'static str) -> impl Iterator<Item = &'static str> {
    let ends = path.match_indices("::").map(|(end, _)| end);
    let parents = ends.filter_map(|end| path.get(..end));
    parents.chain([path])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    #[test]
    fn what_is_logged_can_be_named_and_a_slip_cannot() {
        for target in [
            "mynah",
            "mynah::task",
            "mynah_engine",
            "mynah_engine::decode",
            "mynah_engine::model::load",
            "mynah_wasi",
            "llama_cpp",
            "wasmtime",
            "wasmtime::runtime::vm",
            "cranelift",
        ] {
            assert_eq!(check(target), Ok(()), "{target}");
        }
        for (slip, meant) in [
            ("mynah::tsak", "mynah::task"),
            ("mynah-engine", "mynah_engine"),
            ("mynah_engine::modle", "mynah_engine::model"),
            ("Mynah", "mynah"),
            ("lama_cpp", "llama_cpp"),
            ("wasmtim", "wasmtime"),
        ] {
            let told = check(slip).unwrap_err();
            assert!(
                told.ends_with(&format!("did you mean `{meant}`?")),
                "{told}"
            );
        }
        for other in [
            "vrbose",
            "",
            ":",
            "mynah:",
            "mynah::",
            "my",
            "mynah::task::x",
        ] {
            assert!(check(other).is_err(), "{other}");
        }
        assert!(check("potato").unwrap_err().contains("`mynah::memory`"));
    }

    #[test]
    fn the_modules_are_those_that_log_in_the_sources() {
        let found: BTreeSet<String> = sources().iter().filter_map(|path| module(path)).collect();
        let listed: BTreeSet<String> = MODULES.map(str::to_owned).into();
        assert_eq!(listed, found, "list in `MODULES` what logs");
    }

    #[test]
    fn the_libraries_are_those_of_the_lock_file_that_log() {
        let lock = include_str!("../../../../Cargo.lock");
        let lock: toml::Table = lock.parse().unwrap();
        let packages: Vec<(&str, Vec<&str>)> = lock["package"]
            .as_array()
            .unwrap()
            .iter()
            .map(|package| {
                let needs = package.get("dependencies").and_then(toml::Value::as_array);
                let needs = needs.into_iter().flatten().filter_map(toml::Value::as_str);
                let needs = needs.map(|one| one.split(' ').next().unwrap());
                (package["name"].as_str().unwrap(), needs.collect())
            })
            .collect();
        let mut used = BTreeSet::new();
        let mut waiting = vec!["mynah"];
        while let Some(name) = waiting.pop() {
            if used.insert(name) {
                let here = packages.iter().filter(|(other, _)| *other == name);
                waiting.extend(here.flat_map(|(_, needs)| needs));
            }
        }
        let logs = |needs: &[&str]| needs.contains(&"log") || needs.contains(&"tracing");
        let found: BTreeSet<String> = packages
            .iter()
            .filter(|(name, needs)| {
                used.contains(name) && logs(needs) && !name.starts_with("mynah")
            })
            .map(|(name, _)| name.replace('-', "_"))
            .collect();
        let listed: BTreeSet<String> = LIBRARIES.map(str::to_owned).into();
        assert_eq!(listed, found, "list in `LIBRARIES` what logs");
    }

    /// All source files of the host but the tests.
    fn sources() -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("..")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                if path.is_dir() {
                    folders.extend((name != "tests").then_some(path));
                } else if name.ends_with(".rs") && name != "tests.rs" {
                    files.push(path);
                }
            }
        }
        files
    }

    /// The path of a module that logs lines without a target.
    fn module(path: &Path) -> Option<String> {
        let text = std::fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let is_event = |after: &&str| {
            let Some((name, arguments)) = after.split_once("!(") else {
                return false;
            };
            let levels = ["error", "warn", "info", "debug", "trace", "event"];
            levels.contains(&name) && !arguments.trim_start().starts_with("target:")
        };
        code.split("tracing::").skip(1).find(is_event)?;
        let host = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let path = path.strip_prefix(host).unwrap().with_extension("");
        let mut parts = path.iter().map(|part| part.to_str().unwrap());
        let package = match parts.next().unwrap() {
            "cli" => "mynah".to_owned(),
            name => format!("mynah_{name}"),
        };
        let inner = parts
            .skip(1)
            .filter(|part| !["lib", "main", "mod"].contains(part));
        Some(inner.fold(package, |path, part| format!("{path}::{part}")))
    }
}
