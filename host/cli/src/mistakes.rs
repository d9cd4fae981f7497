//! What is wrong with a file or a command line: several problems in one error.

use std::fmt;

/// Exit code of an error of the host or its configuration.
pub(crate) const HOST_ERROR: u8 = 1;
/// Exit code of a wrong command line, as clap has it.
pub(crate) const USAGE_ERROR: u8 = 2;

/// Problems that are reported together, each on a line of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistakes {
    lines: Vec<String>,
    exit_code: u8,
}

impl Mistakes {
    /// Problems of a file.
    pub(crate) fn in_file(lines: Vec<String>) -> anyhow::Error {
        let exit_code = HOST_ERROR;
        anyhow::Error::new(Self { lines, exit_code })
    }

    /// Problems of the command line.
    pub(crate) fn in_usage(lines: Vec<String>) -> anyhow::Error {
        let exit_code = USAGE_ERROR;
        anyhow::Error::new(Self { lines, exit_code })
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

impl std::error::Error for Mistakes {}

/// A problem of the command line.
pub(crate) fn usage(line: impl fmt::Display) -> anyhow::Error {
    Mistakes::in_usage(vec![line.to_string()])
}

/// The exit code of an error.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    let mistakes = error.downcast_ref::<Mistakes>();
    mistakes.map_or(HOST_ERROR, |mistakes| mistakes.exit_code)
}

/// The lines of an error, each from the outermost context to the cause.
pub(crate) fn lines(error: &anyhow::Error) -> Vec<String> {
    let lines = match error.downcast_ref::<Mistakes>() {
        Some(mistakes) => mistakes.lines.clone(),
        None => vec![format!("{error:#}")],
    };
    lines
        .into_iter()
        .map(|line| line.replace('\n', " "))
        .collect()
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    /// Newcomer 9 and 20.
    #[test]
    fn each_problem_has_a_line_and_a_wrong_command_line_has_its_exit_code() {
        let two = || vec!["a\nb".to_owned(), "c".to_owned()];
        assert_eq!(lines(&Mistakes::in_file(two())), ["a b", "c"]);
        assert_eq!(exit_code(&Mistakes::in_file(two())), 1);
        assert_eq!(exit_code(&Mistakes::in_usage(two())), 2);
        let other: anyhow::Error = anyhow!("it\nbroke").context("here");
        assert_eq!(lines(&other), ["here: it broke"]);
        assert_eq!(exit_code(&other), 1);
        let within: anyhow::Result<()> = Err(usage("x"));
        assert_eq!(exit_code(&within.context("there").unwrap_err()), 2);
    }
}
