//! Lists the test guests, so that a guest without a host test is a compile error.
//!
//! For each prefix (`config`, `log`, `nn`, `run`, `sdk`, `stream`, `version`) a macro
//! `foreach_PREFIX!(m)` calls `m!(name)` for every guest `guests/src/bin/PREFIX_*.rs`. A guest with
//! an unknown prefix stops the build. The guests of the benchmark have the prefix `bench`.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Prefixes of the guests with tests. Each has its own module in the suite.
const TESTED: [&str; 7] = ["config", "log", "nn", "run", "sdk", "stream", "version"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new("guests/src/bin");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut guests: BTreeMap<&str, Vec<String>> =
        TESTED.iter().map(|&prefix| (prefix, Vec::new())).collect();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str());
        let name = name.ok_or("a guest's name is not text")?;
        let prefix = name.split('_').next().unwrap_or(name);
        if prefix == "bench" {
            continue;
        }
        guests
            .get_mut(prefix)
            .ok_or_else(|| {
                format!("guest `{name}`: begin its name with one of {TESTED:?}, or `bench`")
            })?
            .push(name.to_owned());
    }
    let mut code = String::new();
    for (prefix, mut names) in guests {
        names.sort();
        writeln!(code, "/// Calls the macro with each guest `{prefix}_*`.")?;
        writeln!(
            code,
            "#[macro_export]\nmacro_rules! foreach_{prefix} {{\n    ($m:ident) => {{"
        )?;
        for name in names {
            writeln!(code, "        $m!({name});")?;
        }
        writeln!(code, "    }};\n}}")?;
    }
    let out = std::env::var("OUT_DIR")?;
    std::fs::write(Path::new(&out).join("guests.rs"), code)?;
    Ok(())
}
