//! llama.cpp's own server, which the benchmark compares with: a wheel from PyPI in a virtual
//! environment.
//!
//! It is not part of the setup, because only the benchmark needs it. pip's configuration chooses
//! the index.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::paths;
use crate::process::{is_on_path, output, say};

/// The wheel with the server.
const PACKAGE: &str = "xllamacpp";
const VERSION: &str = "2026.10.11549";

/// A Python interpreter with the server. Installs it if necessary.
pub(crate) fn python() -> Result<PathBuf> {
    let folder = paths::tools().join("peer");
    let python = python_in(&folder);
    if has_server(&python) {
        return Ok(python);
    }
    if !is_on_path("python3") {
        bail!(
            "python3 is not installed: install it, on Debian with `apt-get install python3 \
             python3-venv`, or measure without the server with `--no-peer`"
        );
    }
    say(&format!(
        "    installing {PACKAGE} {VERSION} (about 35 MB, once)"
    ));
    // The existing environment does not work, so create a new one.
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(&folder);
    output(&mut venv).context(
        "no virtual environment can be made: install venv, on Debian with `apt-get install \
         python3-venv`, or measure without the server with `--no-peer`",
    )?;
    let mut install = Command::new(&python);
    install
        .args(["-m", "pip", "install", "--quiet", "--no-cache-dir"])
        // The machine may lack the tools to build it.
        .args(["--only-binary", ":all:"])
        .arg(format!("{PACKAGE}=={VERSION}"));
    output(&mut install).with_context(|| {
        format!(
            "{PACKAGE} {VERSION} can't be installed: check the network and that there is a wheel \
             for this machine, or measure without the server with `--no-peer`"
        )
    })?;
    if !has_server(&python) {
        bail!(
            "{PACKAGE} {VERSION} was installed into {} and doesn't load there: measure without the \
             server with `--no-peer`",
            folder.display()
        );
    }
    Ok(python)
}

/// Whether the wheel can be imported and has the right version.
fn has_server(python: &Path) -> bool {
    let version = format!("import {PACKAGE}; print({PACKAGE}.__version__)");
    output(Command::new(python).args(["-c", &version]))
        .is_ok_and(|version| version.trim() == VERSION)
}

fn python_in(folder: &Path) -> PathBuf {
    if cfg!(windows) {
        folder.join("Scripts/python.exe")
    } else {
        folder.join("bin/python")
    }
}
