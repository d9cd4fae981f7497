//! The text of a configuration file, and positions in it.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use mynah_settings::Problem;

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

    /// `FILE:LINE:COLUMN` of a byte offset. Line and column count from 1, as in editors and
    /// terminals.
    pub(super) fn place(&self, at: usize) -> String {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        format!("{}:{line}:{column}", self.name)
    }

    /// A problem with its place: `FILE:LINE:COLUMN: problem`.
    pub(super) fn at(&self, problem: &Problem) -> String {
        let between = if problem.place.is_some() { ":" } else { ": " };
        format!("{}{between}{problem}", self.name)
    }

    /// One error with all problems. Problems without a place are not about the file.
    pub(super) fn refuse_settings(&self, problems: &[Problem]) -> anyhow::Error {
        let line = |problem: &Problem| match problem.place {
            Some(_) => self.at(problem),
            None => problem.to_string(),
        };
        anyhow!(
            "{}",
            problems.iter().map(line).collect::<Vec<_>>().join("; ")
        )
    }

    /// One error with all problems of the file.
    pub(super) fn refuse(&self, problems: &[Problem]) -> anyhow::Error {
        let lines: Vec<String> = problems.iter().map(|problem| self.at(problem)).collect();
        anyhow!("{}", lines.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_in_characters_from_one() {
        let source = Source::new(Path::new("a/b.toml"), "é = 1\nbé = 2\n".to_owned());
        assert_eq!(source.place(0), "a/b.toml:1:1");
        let at = source.text().find("= 2").unwrap();
        assert_eq!(source.place(at), "a/b.toml:2:4");
        assert_eq!(source.place(1000), "a/b.toml:3:1", "the end");
    }

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
