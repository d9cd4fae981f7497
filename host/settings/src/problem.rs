//! What is wrong with settings: where, what was there and what may be there. All problems of one
//! check are told at once.

use std::fmt;

/// Something wrong, or strange, about one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting's path as it was written, such as `sampling.top_p`; empty for the document
    /// itself.
    pub path: String,
    /// Where it stands in the document, if there is one.
    pub place: Option<Place>,
    /// What is wrong with it.
    pub fault: Fault,
}

/// A place in a document: line and column, both from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// What is wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Its value is of another type, or out of range.
    Value {
        /// The value, shortened where it is long.
        value: String,
        /// What it may be.
        allowed: String,
    },
    /// There is no such setting.
    Unknown {
        /// What may have been meant, or what there is.
        hint: String,
    },
    /// It was set before, in another spelling or the same.
    Twice {
        /// Where it was set first: the path as it was written.
        first: String,
        /// Whether both say the same, which is strange but does no harm.
        is_equal: bool,
    },
    /// It is known, and has no effect here.
    NoEffect {
        /// Why, and what to do.
        reason: String,
    },
    /// The document can't be read.
    Unreadable {
        /// What it is not.
        reason: String,
    },
}

impl Problem {
    /// A value that isn't allowed, in settings that come from no document.
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

    /// Whether settings with it can be used all the same: it is reported, and an error only where
    /// the reader is strict.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        match self.fault {
            Fault::Unknown { .. } | Fault::NoEffect { .. } => true,
            Fault::Twice { is_equal, .. } => is_equal,
            Fault::Value { .. } | Fault::Unreadable { .. } => false,
        }
    }

    /// The value that was there; empty where that isn't what is wrong.
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

    /// What may be there, or what to do.
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
                write!(
                    f,
                    "`{path}` says again what `{first}` says: keep one of them"
                )
            }
            Fault::Twice {
                first,
                is_equal: false,
            } => {
                write!(
                    f,
                    "`{path}` sets what `{first}` sets to something else: keep one of them"
                )
            }
            Fault::NoEffect { reason } => write!(f, "`{path}` has no effect: {reason}"),
            Fault::Unreadable { reason } if path.is_empty() => write!(f, "{reason}"),
            Fault::Unreadable { reason } => write!(f, "`{path}`: {reason}"),
        }
    }
}

/// Collects the problems of one check, so that all are reported at once.
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
