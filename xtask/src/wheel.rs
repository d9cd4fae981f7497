//! Python packages that only tests and measurements need: wheels from PyPI, each in a virtual
//! environment of its own. pip's configuration chooses the index.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::paths;
use crate::process::{is_on_path, output, say};

/// A wheel of PyPI.
pub(crate) struct Wheel {
    pub(crate) package: &'static str,
    /// The name of its module.
    pub(crate) module: &'static str,
    pub(crate) version: &'static str,
    /// The folder of its environment.
    pub(crate) folder: &'static str,
    pub(crate) size: &'static str,
    /// What can be done without it, as the end of a sentence.
    pub(crate) without: &'static str,
}

/// Jinja2, which the tests of chat templates compare with.
pub(crate) const JINJA2: Wheel = Wheel {
    package: "Jinja2",
    module: "jinja2",
    version: "3.1.6",
    folder: "jinja",
    size: "1 MB",
    without: "",
};

impl Wheel {
    /// A Python interpreter with the package. Installs it if necessary.
    pub(crate) fn python(&self) -> Result<PathBuf> {
        let Self {
            package,
            version,
            size,
            without,
            ..
        } = self;
        let folder = paths::tools().join(self.folder);
        let python = python_in(&folder);
        if self.is_in(&python) {
            return Ok(python);
        }
        if !is_on_path("python3") {
            bail!(
                "python3 is not installed: install it, on Debian with `apt-get install python3 \
                 python3-venv`{without}"
            );
        }
        say(&format!(
            "    installing {package} {version} (about {size}, once)"
        ));
        // The existing environment does not work, so create a new one.
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv", "--clear"]).arg(&folder);
        output(&mut venv).with_context(|| {
            format!(
                "no virtual environment can be made: install venv, on Debian with `apt-get install \
                 python3-venv`{without}"
            )
        })?;
        let mut install = Command::new(&python);
        install
            .args(["-m", "pip", "install", "--quiet", "--no-cache-dir"])
            // The machine may lack the tools to build it.
            .args(["--only-binary", ":all:"])
            .arg(format!("{package}=={version}"));
        output(&mut install).with_context(|| {
            format!(
                "{package} {version} can't be installed: check the network and that there is a \
                 wheel for this machine{without}"
            )
        })?;
        if !self.is_in(&python) {
            bail!(
                "{package} {version} was installed into {} and doesn't load there{without}",
                folder.display()
            );
        }
        Ok(python)
    }

    /// Whether the module can be imported and has the right version.
    fn is_in(&self, python: &Path) -> bool {
        let module = self.module;
        let version = format!("import {module}; print({module}.__version__)");
        output(Command::new(python).args(["-c", &version]))
            .is_ok_and(|version| version.trim() == self.version)
    }
}

fn python_in(folder: &Path) -> PathBuf {
    if cfg!(windows) {
        folder.join("Scripts/python.exe")
    } else {
        folder.join("bin/python")
    }
}
