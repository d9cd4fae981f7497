//! Why settings can't be used.

use crate::Problem;

/// The result of whatever checks settings.
pub type Result<T> = std::result::Result<T, SettingsError>;

/// Settings that can't be used, with all that is wrong with them at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", list(problems))]
pub struct SettingsError {
    /// One for each setting that can't be used.
    pub problems: Vec<Problem>,
}

fn list(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("; ")
}
