//! Problems of settings: the place, the value and the allowed values. A check reports all problems
//! at once.

use std::fmt;

/// A problem of one setting: an error or a warning.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Problem {
    /// The path of the setting as it was written, such as `sampling.top_p`. Empty for the document
    /// itself.
    pub path: String,
    /// Its place in the document, if the settings come from one.
    pub place: Option<Place>,
    /// What is wrong.
    pub fault: Fault,
}

/// A position in a document: line and column, both from 1, the column in characters.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// The kinds of problems of a setting.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Fault {
    /// The value has another type, or is out of range.
    Value {
        /// The value, shortened if it is long.
        value: String,
        /// The allowed values.
        allowed: String,
    },
    /// There is no such setting.
    Unknown {
        /// The setting that was probably meant, or the settings that exist.
        hint: String,
    },
    /// It was already set, with the same or another spelling.
    Twice {
        /// The path of the first one, as it was written.
        first: String,
        /// Whether both have the same value, which does no harm.
        is_equal: bool,
    },
    /// The key is known, and has no effect here.
    NoEffect {
        /// The reason, and a remedy.
        reason: String,
    },
    /// The document cannot be read.
    Unreadable {
        /// Why it cannot be read.
        reason: String,
    },
}

impl Problem {
    /// A value that is not allowed, in settings that do not come from a document.
    pub fn new(
        path: impl Into<String>,
        value: impl fmt::Display,
        allowed: impl Into<String>,
    ) -> Self {
        Self {
            path: path.into(),
            place: None,
            fault: Fault::Value {
                value: value.to_string(),
                allowed: allowed.into(),
            },
        }
    }

    /// Whether it is only a warning: settings with it can be used. A strict reader treats it as an
    /// error.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        match self.fault {
            Fault::Unknown { .. } | Fault::NoEffect { .. } => true,
            Fault::Twice { is_equal, .. } => is_equal,
            Fault::Value { .. } | Fault::Unreadable { .. } => false,
        }
    }

    /// Whether an operator's document with it is refused: an error, an unknown key, or any problem
    /// with `strict`.
    #[must_use]
    pub fn is_operators_error(&self, strict: bool) -> bool {
        strict || matches!(self.fault, Fault::Unknown { .. }) || !self.is_warning()
    }

    /// The value; empty if the value is not the problem.
    #[must_use]
    pub fn value(&self) -> &str {
        match &self.fault {
            Fault::Value { value, .. } => value,
            Fault::Unknown { .. }
            | Fault::Twice { .. }
            | Fault::NoEffect { .. }
            | Fault::Unreadable { .. } => "",
        }
    }

    /// The allowed values, or what to do.
    #[must_use]
    pub fn allowed(&self) -> String {
        match &self.fault {
            Fault::Value { allowed, .. } => allowed.clone(),
            Fault::Unknown { hint } => hint.clone(),
            Fault::Twice { .. } => "keep one of them".to_owned(),
            Fault::NoEffect { reason } | Fault::Unreadable { reason } => reason.clone(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { line, column }) = self.place {
            write!(f, "{line}:{column}: ")?;
        }
        let path = &self.path;
        match &self.fault {
            Fault::Value { value, allowed } => {
                write!(f, "`{path}` is {value}, it must be {allowed}")
            }
            Fault::Unknown { hint } => write!(f, "`{path}` is no setting: {hint}"),
            Fault::Twice {
                first,
                is_equal: true,
            } => {
                write!(f, "`{path}` repeats `{first}`: keep one of them")
            }
            Fault::Twice {
                first,
                is_equal: false,
            } => {
                write!(f, "`{path}` contradicts `{first}`: keep one of them")
            }
            Fault::NoEffect { reason } => write!(f, "`{path}` has no effect: {reason}"),
            Fault::Unreadable { reason } if path.is_empty() => write!(f, "{reason}"),
            Fault::Unreadable { reason } => write!(f, "`{path}`: {reason}"),
        }
    }
}

/// Collects the problems of one check, so that all of them are reported at once.
#[derive(Debug, Default)]
pub(crate) struct Check(pub(super) Vec<Problem>);

impl Check {
    pub(crate) fn that(&mut self, holds: bool, problem: impl FnOnce() -> Problem) {
        if !holds {
            self.0.push(problem());
        }
    }

    pub(crate) fn done(self) -> crate::Result<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(crate::SettingsError { problems: self.0 })
        }
    }
}

#[cfg(test)]
mod tests;
