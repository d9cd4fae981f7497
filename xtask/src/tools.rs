//! The tools of the build. Each is found, installed, or reported with the exact command to install
//! it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::paths;
use crate::process::{cargo, is_on_path, output, run, say};

/// A cargo subcommand that is installed for this project only.
pub(crate) struct Tool {
    name: &'static str,
    version: &'static str,
    /// The arguments with which it tells its version.
    told_by: &'static [&'static str],
    /// How long its build takes.
    takes: &'static str,
}

/// Builds the examples.
pub(crate) const CARGO_COMPONENT: Tool = Tool {
    name: "cargo-component",
    version: "0.21.1",
    told_by: &["--version"],
    takes: "two to four minutes",
};
/// Builds the fuzz targets. Not part of the setup, because only fuzzing needs it.
pub(crate) const CARGO_FUZZ: Tool = Tool {
    name: "cargo-fuzz",
    version: "0.13.2",
    told_by: &["--version"],
    takes: "about a minute",
};
/// Puts faults into the code. Not part of the setup, because only `cargo xtask mutants` needs it.
pub(crate) const CARGO_MUTANTS: Tool = Tool {
    name: "cargo-mutants",
    version: "27.1.0",
    told_by: &["mutants", "--version"],
    takes: "two to three minutes",
};
const WASM_TARGETS: [&str; 2] = ["wasm32-wasip1", "wasm32-wasip2"];
/// Debian packages that llama.cpp's build needs: cmake, and libclang for its bindings.
const CMAKE: &str = "cmake";
const LIBCLANG: &str = "libclang-dev";

/// Checks for cmake, libclang and a C++ compiler, and installs missing ones if possible.
pub(crate) fn system() -> Result<()> {
    if !["c++", "g++", "clang++"].into_iter().any(is_on_path) {
        bail!("there is no C++ compiler: install one, on Debian with `apt-get install g++`");
    }
    let missing = missing_packages();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    if !(is_on_path("apt-get") && is_root()) {
        bail!(
            "{packages} missing: run `sudo apt-get install --no-install-recommends {packages}`, on \
             macOS `brew install cmake llvm`, then this again"
        );
    }
    say(&format!("    installing {packages} with apt-get"));
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
        output(&mut command).map(drop)
    };
    apt(&["update", "--quiet"])?;
    apt(&[
        &["install", "--yes", "--no-install-recommends"],
        missing.as_slice(),
    ]
    .concat())
    .with_context(|| {
        format!("{packages} can't be installed: install them by hand, then run this again")
    })?;
    let still = missing_packages();
    if !still.is_empty() {
        bail!(
            "{} still not found after apt-get installed {packages}: put cmake on the PATH, name \
             libclang's folder in LIBCLANG_PATH, then run this again",
            still.join(" and ")
        );
    }
    Ok(())
}

/// Debian packages that llama.cpp's build needs and this machine lacks.
fn missing_packages() -> Vec<&'static str> {
    [(CMAKE, is_on_path("cmake")), (LIBCLANG, has_libclang())]
        .into_iter()
        .filter_map(|(package, found)| (!found).then_some(package))
        .collect()
}

fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

/// Whether bindgen will find libclang: in `LIBCLANG_PATH`, or in one of the usual folders.
fn has_libclang() -> bool {
    let told = std::env::var_os("LIBCLANG_PATH").map(PathBuf::from);
    let llvm = std::fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("llvm-"))
        })
        .map(|path| path.join("lib"));
    let usual = [
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib64",
        "/usr/lib",
        "/opt/homebrew/opt/llvm/lib",
        "/usr/local/opt/llvm/lib",
        "/Library/Developer/CommandLineTools/usr/lib",
    ];
    told.into_iter()
        .chain(llvm)
        .chain(usual.into_iter().map(PathBuf::from))
        .any(|folder| holds_libclang(&folder))
}

fn holds_libclang(folder: &Path) -> bool {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // Excludes `libclang-cpp.so`, the C++ interface.
            name == "libclang.so"
                || name == "libclang.dylib"
                || name.starts_with("libclang.so.")
                || (name.starts_with("libclang-")
                    && !name.starts_with("libclang-cpp")
                    && name.contains(".so"))
        })
}

/// Installs the standard library for both wasm targets.
pub(crate) fn wasm_targets() -> Result<()> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let libraries = Path::new(sysroot.trim()).join("lib/rustlib");
    let missing: Vec<&str> = WASM_TARGETS
        .into_iter()
        .filter(|target| !libraries.join(target).join("lib").is_dir())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut add = Command::new("rustup");
    add.args(["target", "add"]).args(&missing);
    run(&mut add).with_context(|| {
        let targets = missing.join(" ");
        format!(
            "the wasm targets are missing: install {targets} with rustup, or with your \
            system's Rust packages"
        )
    })
}

impl Tool {
    /// The tool's program.
    pub(crate) fn path(&self) -> PathBuf {
        paths::tools()
            .join("bin")
            .join(format!("{}{}", self.name, std::env::consts::EXE_SUFFIX))
    }

    /// Installs the tool into the project's own folder if it is missing. Other versions on the
    /// machine are unchanged.
    pub(crate) fn install(&self) -> Result<()> {
        let found = output(Command::new(self.path()).args(self.told_by));
        if found.is_ok_and(|said| said.split_whitespace().any(|word| word == self.version)) {
            return Ok(());
        }
        let Self { name, takes, .. } = self;
        say(&format!(
            "    building {name} from source: {takes} on two cores, once"
        ));
        let build = paths::tools().join("build");
        let mut install = cargo();
        install
            .args([
                "install",
                name,
                "--version",
                self.version,
                "--locked",
                "--force",
            ])
            .arg("--root")
            .arg(paths::tools())
            .arg("--target-dir")
            .arg(&build)
            // Its own work takes seconds, its build minutes.
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        run(&mut install).with_context(|| {
            format!("{name} can't be installed: see above, then run this again")
        })?;
        // Up to half a gigabyte that is no longer needed. A failure does no harm.
        let _ = std::fs::remove_dir_all(build);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libclang_is_told_from_its_cpp_sibling() {
        for (name, is_it) in [
            ("libclang.so", true),
            ("libclang-14.so.1", true),
            ("libclang.so.14", true),
            ("libclang.dylib", true),
            ("libclang-cpp.so.14", false),
            ("libclangAST.a", false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(name), "").unwrap();
            assert_eq!(holds_libclang(folder.path()), is_it, "{name}");
        }
    }
}
