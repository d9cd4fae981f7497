//! Checks that the names in the documentation exist: paths in backticks, and targets of links.
//! Pure.
//!
//! A path is relative to the repository if it begins with one of its folders, such as
//! `docs/architecture.md`, and relative to the file's folder if it begins with a dot. Everything
//! else in backticks is code.

use std::collections::BTreeSet;

use super::rules::Problem;

/// The repository's files, and the folders that they are in.
#[derive(Debug)]
pub(super) struct Tree {
    paths: BTreeSet<String>,
}

impl Tree {
    pub(super) fn new(files: &[String]) -> Self {
        let mut paths = BTreeSet::new();
        for file in files {
            for (end, _) in file.match_indices('/') {
                paths.extend(file.get(..end).map(str::to_owned));
            }
            paths.insert(file.clone());
        }
        Self { paths }
    }

    fn has(&self, path: &str) -> bool {
        path.is_empty() || self.paths.contains(path)
    }

    /// Whether a path begins with a folder of the repository.
    fn has_begin(&self, path: &str) -> bool {
        let folder = path.split_once('/').map(|(folder, _)| folder);
        folder.is_some_and(|folder| self.paths.contains(folder))
    }
}

/// The names in a file that do not exist. `anchors` returns the headings of another file, by its
/// path.
pub(super) fn check(
    name: &str,
    text: &str,
    tree: &Tree,
    anchors: impl Fn(&str) -> Option<BTreeSet<String>>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, line) in documentation(name, text) {
        for token in line.split('`').skip(1).step_by(2) {
            if let Some(path) = named(token, name, tree).filter(|path| !tree.has(path)) {
                problems.push((number, format!("`{path}` isn't there")));
            }
        }
        if !name.ends_with(".md") {
            continue;
        }
        for target in targets(line) {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = match path {
                "" => name.to_owned(),
                path => from(name, path),
            };
            if !tree.has(&path) {
                problems.push((number, format!("a link to {path}, which isn't there")));
            } else if !anchor.is_empty()
                && anchors(&path).is_some_and(|anchors| !anchors.contains(anchor))
            {
                problems.push((number, format!("{path} has no heading for #{anchor}")));
            }
        }
    }
    problems
}

/// The anchors of a page's headings, in GitHub's format.
pub(super) fn anchors(text: &str) -> BTreeSet<String> {
    let mut is_code = false;
    let mut anchors = BTreeSet::new();
    for line in text.lines() {
        is_code ^= line.starts_with("```");
        let heading = line.trim_start_matches('#');
        if !is_code && heading.len() < line.len() {
            let kept = |letter: &char| letter.is_alphanumeric() || "-_ ".contains(*letter);
            let letters = heading.trim().chars().filter(kept);
            let anchor: String = letters.flat_map(char::to_lowercase).collect();
            anchors.insert(anchor.replace(' ', "-"));
        }
    }
    anchors
}

/// The lines of documentation with their numbers: in Markdown those outside of code, in a changelog
/// those that are not released, in Rust the module documentation.
fn documentation<'a>(name: &str, text: &'a str) -> Vec<(usize, &'a str)> {
    let mut is_code = false;
    let mut is_released = false;
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = if name.ends_with(".rs") {
            let Some(line) = line.strip_prefix("//!") else {
                continue;
            };
            line
        } else {
            line
        };
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        if let Some(release) = line.strip_prefix("## ").filter(|_| name == "CHANGELOG.md") {
            is_released = release != "Unreleased";
        }
        if !is_code && !is_released {
            lines.push((number, line));
        }
    }
    lines
}

/// The path in a token in backticks, if it is one of the repository.
fn named(token: &str, name: &str, tree: &Tree) -> Option<String> {
    // Without a line number, as in `src/lib.rs:12`.
    let path = token.split(':').next().unwrap_or_default();
    let is_path = |letter: char| letter.is_ascii_alphanumeric() || "/._-".contains(letter);
    // `corpus/TARGET` and `NNN-title.md` stand for any name and number.
    let is_any = |part: &str| part.len() > 2 && part.chars().all(|c| c.is_ascii_uppercase());
    let stands_for_any = path.split('/').any(is_any) || path.contains("NNN");
    if !path.contains('/') || !path.chars().all(is_path) || stands_for_any {
        return None;
    }
    if path.starts_with("./") || path.starts_with("../") {
        return Some(from(name, path));
    }
    let path = path.trim_end_matches('/');
    (tree.has_begin(path) || tree.has(path)).then(|| path.to_owned())
}

/// The targets of a line's links in the repository.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let inline = line.split("](").skip(1);
    let inline = inline.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    let referred = line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]: "));
    inline
        .chain(referred.map(|(_, target)| target))
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
}

/// A path in the repository, relative to the file that contains it.
fn from(name: &str, path: &str) -> String {
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(name: &str, text: &str) -> Vec<String> {
        let files = [
            "docs/a.md",
            "docs/decisions/001-b.md",
            "host/cli/src/main.rs",
            "README.md",
        ];
        let tree = Tree::new(&files.map(str::to_owned));
        let page = |path: &str| (path == "docs/a.md").then(|| anchors("# One `two`-three, four\n"));
        let found = check(name, text, &tree, page);
        found
            .into_iter()
            .map(|(line, what)| format!("{line}: {what}"))
            .collect()
    }

    #[test]
    fn paths_that_are_there_and_what_is_no_path_are_no_problem() {
        let text = "`docs/a.md`, `host/cli/`, `host/cli/src/main.rs:7`, `../README.md`, `/a/b`\n\
             `a/b`, `docs/NNN-title.md`, `docs/TARGET/x`, `cargo build docs/b.md`\n\
             `application/json`, `host/*.rs`\n\
             ```\n`docs/none.md`\n```\n";
        assert_eq!(problems("docs/a.md", text), [] as [&str; 0]);
    }

    #[test]
    fn a_path_that_is_not_there_is_found() {
        let found = problems(
            "docs/a.md",
            "x\nsee `host/cli/src/run.rs` and `../docs/c.md`\n",
        );
        assert_eq!(
            found,
            [
                "2: `host/cli/src/run.rs` isn't there",
                "2: `docs/c.md` isn't there"
            ]
        );
        let found = problems(
            "host/cli/src/main.rs",
            "//! See `docs/b.md`.\n// `docs/c.md`\n",
        );
        assert_eq!(found, ["1: `docs/b.md` isn't there"]);
    }

    #[test]
    fn a_link_leads_to_a_file_and_to_a_heading_of_it() {
        let good = "[a](a.md#one-two-three-four), [b](decisions/001-b.md), [c](https://c.d/e.md)\n";
        assert_eq!(problems("docs/a.md", good), [] as [&str; 0]);
        let found = problems(
            "README.md",
            "[a](docs/b.md)\n[b](docs/a.md#five)\n[c]: docs/c.md\n",
        );
        assert_eq!(
            found,
            [
                "1: a link to docs/b.md, which isn't there",
                "2: docs/a.md has no heading for #five",
                "3: a link to docs/c.md, which isn't there"
            ]
        );
    }

    #[test]
    fn what_a_released_changelog_names_may_have_gone() {
        let text = "## Unreleased\n`docs/b.md`\n## 0.1.0\n`docs/c.md` [d](docs/d.md)\n";
        assert_eq!(
            problems("CHANGELOG.md", text),
            ["2: `docs/b.md` isn't there"]
        );
    }
}
