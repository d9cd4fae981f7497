//! The text of a configuration file, and positions in it.

use std::io;
use std::path::{Path, PathBuf};

use mynah_settings::Problem;

use crate::mistakes::Mistakes;

/// The text of a configuration file.
#[derive(Debug, Default)]
pub(super) struct Source {
    name: String,
    folder: PathBuf,
    text: String,
}

impl Source {
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        Ok(Self::new(path, std::fs::read_to_string(path)?))
    }

    pub(super) fn new(path: &Path, text: String) -> Self {
        Self {
            name: path.display().to_string(),
            folder: path.parent().unwrap_or(Path::new("")).to_owned(),
            text,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether the text is JSON: TOML never begins with a brace.
    pub(super) fn is_json(&self) -> bool {
        self.text.trim_start().starts_with('{')
    }

    /// Resolves a path of the file relative to the file's folder.
    pub(super) fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    /// [`Source::path`] for a path that is a string.
    pub(super) fn text_path(&self, path: &str) -> String {
        // The path was built from strings, so `display` loses nothing.
        self.path(Path::new(path)).display().to_string()
    }

    /// A problem with its place: `FILE:LINE:COLUMN: problem`.
    pub(super) fn at(&self, problem: &Problem) -> String {
        let between = if problem.place.is_some() { ":" } else { ": " };
        format!("{}{between}{problem}", self.name)
    }

    /// One error with all problems. Problems without a place are those of the command line.
    pub(super) fn refuse_settings(&self, problems: &[Problem]) -> anyhow::Error {
        let line = |problem: &Problem| match problem.place {
            Some(_) => self.at(problem),
            None => problem.to_string(),
        };
        let lines = problems.iter().map(line).collect();
        if problems.iter().all(|problem| problem.place.is_some()) {
            Mistakes::in_file(lines)
        } else {
            Mistakes::in_usage(lines)
        }
    }

    /// One error with all problems of the file.
    pub(super) fn refuse(&self, problems: &[Problem]) -> anyhow::Error {
        Mistakes::in_file(problems.iter().map(|problem| self.at(problem)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_is_relative_to_the_file() {
        let path = |file: &str, path: &str| {
            Source::new(Path::new(file), String::new()).path(Path::new(path))
        };
        assert_eq!(path("a/b.toml", "c"), Path::new("a/c"));
        assert_eq!(path("b.toml", "c"), Path::new("c"));
        assert_eq!(path("a/b.toml", "/c"), Path::new("/c"));
    }
}
