//! `cargo xtask tidy`: checks of the repository itself. All problems are reported at once, each
//! with its position.

mod crates;
mod links;
mod rules;
mod width;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{cargo, is_on_path, output, run, say};
use crate::{host, paths, wit};
use links::Tree;

/// Maximum size of a tracked file in bytes: models and builds are never committed.
const MAX_BYTES: u64 = 1 << 20;

/// Checks the repository.
pub(crate) fn tidy() -> Result<()> {
    let mut problems = Vec::new();
    if let Err(error) = wit::wit(true) {
        problems.push(format!("{error:#}"));
    }
    for manifest in [paths::FUZZ, paths::EMBEDDER] {
        if let Err(error) = host::check_lock(manifest) {
            problems.push(format!("{error:#}"));
        }
    }
    problems.extend(crates::check()?);
    let files = files()?;
    let tree = Tree::new(&files);
    for name in &files {
        check(name, &tree, &mut problems)?;
    }
    for example in examples()? {
        if !paths::root().join(&example).join("README.md").is_file() {
            problems.push(format!("{example}: an example without a README.md"));
        }
    }
    let changelog = std::fs::read_to_string(paths::root().join("CHANGELOG.md"))?;
    if !changelog.contains("## Unreleased") {
        problems.push("CHANGELOG.md: it has no `## Unreleased`".to_owned());
    }
    if !problems.is_empty() {
        bail!("{} problems:\n{}", problems.len(), problems.join("\n"));
    }
    deny()
}

/// All files that are or would be committed. Empty outside git, such as in an unpacked archive.
fn files() -> Result<Vec<String>> {
    if !paths::root().join(".git").exists() {
        say("    this is not a git checkout: its files are not checked");
        return Ok(Vec::new());
    }
    let mut git = Command::new("git");
    git.current_dir(paths::root())
        // Separated by zero bytes, because git would otherwise quote names that are not ASCII.
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]);
    let listed = output(&mut git).context("the files can't be listed")?;
    // A file that was deleted and not committed is still listed.
    let exists = |name: &&str| paths::root().join(name).is_file();
    Ok(listed
        .split('\0')
        .filter(exists)
        .map(str::to_owned)
        .collect())
}

fn check(name: &str, tree: &Tree, problems: &mut Vec<String>) -> Result<()> {
    let path = paths::root().join(name);
    if path.metadata()?.len() > MAX_BYTES {
        problems.push(format!("{name}: it has more than {MAX_BYTES} bytes"));
        return Ok(());
    }
    let extension = Path::new(name)
        .extension()
        .and_then(|extension| extension.to_str());
    let is_text = matches!(
        extension,
        Some("rs" | "wit" | "toml" | "md" | "sh" | "json" | "yml" | "yaml" | "txt")
    ) || name == ".ci/run";
    if is_text {
        let text = std::fs::read_to_string(&path).with_context(|| format!("{name} is not text"))?;
        let mut found = rules::check(name, &text);
        match extension {
            Some("rs") => found.extend(width::rust(&text)),
            Some("md") => found.extend(width::markdown(&text)),
            _ => {}
        }
        if matches!(extension, Some("rs" | "md")) {
            found.extend(links::check(name, &text, tree, headings));
        }
        problems.extend(
            found
                .into_iter()
                .map(|(line, what)| format!("{name}:{line}: {what}")),
        );
    } else if extension == Some("gguf") {
        problems.push(format!("{name}: models are never committed"));
    } else if extension == Some("wasm") && !name.starts_with("tests/fixtures/") {
        problems.push(format!(
            "{name}: built guests are committed in tests/fixtures/ alone"
        ));
    }
    Ok(())
}

/// The anchors of a page's headings, by the page's path.
fn headings(path: &str) -> Option<BTreeSet<String>> {
    let text = std::fs::read_to_string(paths::root().join(path)).ok()?;
    path.ends_with(".md").then(|| links::anchors(&text))
}

/// The folders of the examples.
fn examples() -> Result<Vec<String>> {
    let folder = "examples/components";
    let mut examples = Vec::new();
    for entry in std::fs::read_dir(paths::root().join(folder))? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            examples.push(format!("{folder}/{}", entry.file_name().display()));
        }
    }
    Ok(examples)
}

/// Checks licences, bans and sources if cargo-deny is installed.
fn deny() -> Result<()> {
    if !is_on_path("cargo-deny") {
        say("    cargo-deny is not installed: licences and sources are not checked");
        return Ok(());
    }
    run(cargo().args(["deny", "--locked", "check", "licenses", "bans", "sources"]))
}
