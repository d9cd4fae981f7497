//! The error of settings that cannot be used.

use crate::Problem;

/// The result of a check of settings.
pub type Result<T> = std::result::Result<T, SettingsError>;

/// Settings that cannot be used, with all their problems.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", list(problems))]
pub struct SettingsError {
    /// One problem for each such setting.
    pub problems: Vec<Problem>,
}

fn list(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("; ")
}
