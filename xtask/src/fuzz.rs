//! `cargo xtask fuzz`: fuzzes every parser of data from outside.
//!
//! The targets are in `fuzz/`, a separate workspace. They only cover safe Rust, so they are built
//! with coverage and without a sanitizer, which works with the project's toolchain. The targets
//! that enter through the engine still link llama.cpp. They reuse the libraries of the host's
//! build, because building them again would take ten minutes. The other targets, which require no
//! feature in `fuzz/Cargo.toml`, build without llama.cpp.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::process::{cargo, for_cargo, output, run, show, step};
use crate::{host, paths, tools};

/// Maximum size of an input in bytes. Every seed is smaller. Larger inputs are slow and find little
/// more.
const MAX_BYTES: u32 = 16_384;
/// Time limit for one input in seconds; exceeding it is a finding. All targets are bounded, but a
/// template of ten million steps takes seconds.
const MAX_SECONDS: u32 = 60;
/// Memory limit in MiB; exceeding it is a finding.
const MAX_MIB: u32 = 2048;

/// Which targets to fuzz, and for how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this target, a file of fuzz/fuzz_targets/. Can be given more than once.
    #[arg(long, value_name = "TARGET")]
    only: Vec<String>,
    /// Seconds for each target.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
}

/// Fuzzes each target in turn. A crash fails the task.
pub(crate) fn fuzz(args: &Args) -> Result<()> {
    let targets = targets()?;
    if let Some(unknown) = args.only.iter().find(|only| !targets.contains(only)) {
        bail!(
            "there is no fuzz target `{unknown}`: there are {}",
            targets.join(", ")
        );
    }
    step("set up: cargo-fuzz", || tools::CARGO_FUZZ.install())?;
    let chosen: Vec<&String> = targets
        .iter()
        .filter(|name| args.only.is_empty() || args.only.contains(name))
        .collect();
    let pure = pure_targets()?;
    if chosen.iter().all(|name| pure.contains(name)) {
        step("build the fuzz targets, without llama.cpp", || {
            std::fs::create_dir_all(target_folder())?;
            run(build().arg("--no-default-features"))
        })?;
    } else {
        step(
            "build the host, whose llama.cpp the targets share",
            share_llama,
        )?;
        step("build the fuzz targets", || run(&mut build()))?;
    }
    let host = host()?;
    let mut found = Vec::new();
    for target in chosen {
        if let Err(error) = step(&format!("fuzz {target}"), || {
            one(target, &host, args.seconds)
        }) {
            found.push(format!("{error:#}"));
        }
    }
    ensure!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

/// The names of all targets, one file each.
fn targets() -> Result<Vec<String>> {
    let files = files(&workspace().join("fuzz_targets"))?;
    let names = files.iter().filter_map(|path| path.file_stem());
    let mut names: Vec<String> = names
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

/// The targets that are built without llama.cpp: those that need no feature.
fn pure_targets() -> Result<Vec<String>> {
    let mut metadata = cargo();
    metadata
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .args(["--manifest-path", paths::FUZZ]);
    let metadata: Value = serde_json::from_str(&output(&mut metadata)?)?;
    let targets = metadata
        .pointer("/packages/0/targets")
        .and_then(Value::as_array);
    let pure = targets
        .into_iter()
        .flatten()
        .filter(|target| target.get("required-features").is_none());
    let names = pure.filter_map(|target| target["name"].as_str());
    Ok(names.map(str::to_owned).collect())
}

/// Runs one target. It starts from the seeds and from the inputs that earlier runs on this machine
/// found interesting.
fn one(target: &str, host: &str, seconds: u32) -> Result<()> {
    let interesting = target_folder().join("corpus").join(target);
    let crashes = target_folder().join("crashes").join(target);
    for folder in [&interesting, &crashes] {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let begun = SystemTime::now();
    let program = target_folder().join(host).join("release").join(target);
    let mut fuzz = Command::new(&program);
    fuzz.current_dir(paths::root())
        // libFuzzer writes new inputs to the first folder; the seeds are unchanged.
        .arg(&interesting)
        .arg(workspace().join("corpus").join(target))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={MAX_BYTES}"))
        .arg(format!("-timeout={MAX_SECONDS}"))
        .arg(format!("-rss_limit_mb={MAX_MIB}"))
        .arg(format!("-artifact_prefix={}/", crashes.display()))
        .args(["-print_final_stats=1", "-verbosity=0"]);
    let Err(error) = run(&mut fuzz) else {
        return Ok(());
    };
    let is_new = |path: &Path| Ok::<_, std::io::Error>(path.metadata()?.modified()? >= begun);
    let mut again = Command::new(&program);
    for path in files(&crashes)? {
        if is_new(&path)? {
            again.arg(path);
        }
    }
    if again.get_args().len() == 0 {
        return Err(error);
    }
    bail!(
        "the fuzz target `{target}` fails, see above; `{}` runs it again with what it failed on. \
         Once that is fixed, put the file into fuzz/corpus/{target}/",
        show(&again)
    )
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

/// The workspace of the targets and their seeds.
fn workspace() -> PathBuf {
    paths::root().join("fuzz")
}

/// The target folder of fuzzing.
fn target_folder() -> PathBuf {
    paths::target().join("fuzz")
}

/// Builds all targets. It runs where cargo finds the configuration of [`share_llama`].
fn build() -> Command {
    let mut command = for_cargo(Command::new(tools::CARGO_FUZZ.path()));
    command
        .current_dir(target_folder())
        .args(["build", "--sanitizer", "none"])
        .arg("--fuzz-dir")
        .arg(workspace())
        .arg("--target-dir")
        .arg(target_folder());
    command
}

/// Builds the host, and configures cargo to use its llama.cpp instead of running the build script
/// of `llama-cpp-sys-2` again.
fn share_llama() -> Result<()> {
    host::check_lock(paths::FUZZ)?;
    let mut build = cargo();
    build
        .args(["build", "--locked", "--workspace"])
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit());
    let messages = build.output()?;
    ensure!(messages.status.success(), "`{}` failed", show(&build));
    let messages = String::from_utf8_lossy(&messages.stdout);
    let config = shared_llama(&messages, &host()?)?;
    let folder = target_folder().join(".cargo");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("config.toml"), config)?;
    Ok(())
}

/// The host's target triple.
fn host() -> Result<String> {
    let version = output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc reports no host")?.to_owned())
}

/// Cargo configuration that replaces a build script (`target.TRIPLE.LINKS` in cargo's reference),
/// from cargo's message about the script's run.
fn shared_llama(messages: &str, host: &str) -> Result<String> {
    let ran = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|message| {
            message["reason"] == "build-script-executed"
                && message["package_id"]
                    .as_str()
                    .is_some_and(|id| id.contains("llama-cpp-sys-2"))
        })
        .context("cargo reports no build of llama-cpp-sys-2")?;
    let told = |name: &str| ran.get(name).unwrap_or(&Value::Null);
    let mut config = format!(
        "# Written by `cargo xtask fuzz`.\n[target.{host}.llama]\nrustc-link-lib = {}\n\
         rustc-link-search = {}\n\n[target.{host}.llama.rustc-env]\nOUT_DIR = {}\n",
        // Lists and strings have the same syntax in JSON and TOML.
        told("linked_libs"),
        told("linked_paths"),
        told("out_dir")
    );
    for pair in told("env").as_array().into_iter().flatten() {
        if let Some(name) = pair[0].as_str() {
            writeln!(config, "{name} = {}", pair[1])?;
        }
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_tells_of_a_build_script_stands_in_for_it() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","package_id":"llama-cpp-sys-2@0.1.0"}"#,
            "\nno JSON\n",
            r#"{"reason":"build-script-executed","package_id":"other@1","out_dir":"/no"}"#,
            "\n",
            r#"{"reason":"build-script-executed","package_id":"r+https://x#llama-cpp-sys-2@0.1.0","#,
            r#""linked_libs":["static=llama"],"linked_paths":["native=/o"],"env":[["A","b"]],"out_dir":"/o"}"#,
        );
        let config = shared_llama(messages, "x86_64-a-b").unwrap();
        let (_, config) = config.split_once('\n').unwrap();
        assert_eq!(
            config,
            "[target.x86_64-a-b.llama]\nrustc-link-lib = [\"static=llama\"]\nrustc-link-search = \
             [\"native=/o\"]\n\n[target.x86_64-a-b.llama.rustc-env]\nOUT_DIR = \"/o\"\nA = \"b\"\n"
        );
        assert!(shared_llama("", "a").is_err());
    }

    #[test]
    fn every_target_but_the_whole_hosts_is_built_without_llama() {
        let mut pure = pure_targets().unwrap();
        pure.sort();
        let all = targets().unwrap();
        let others: Vec<_> = all.iter().filter(|name| !pure.contains(name)).collect();
        assert_eq!(others, ["ephemeral"], "{pure:?}");
    }

    #[test]
    fn every_target_has_seeds() {
        for target in targets().unwrap() {
            let seeds = files(&workspace().join("corpus").join(&target)).unwrap_or_default();
            assert!(!seeds.is_empty(), "fuzz/corpus/{target}/ has no files");
        }
    }
}
