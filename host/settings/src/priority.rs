//! How urgent a request is.

use std::fmt;
use std::str::FromStr;

use crate::by_name;

/// How urgent a request is. Higher goes first; see
/// [`ModelConfig::ageing`](crate::ModelConfig::ageing) for why lower ones move too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// May be parked while something urgent needs its place.
    Low,
    /// As most requests.
    #[default]
    Normal,
    /// Before normal ones.
    High,
    /// Before all others; parks a running low one where there is no other place.
    Urgent,
}

impl Priority {
    /// All of them, rising.
    pub const ALL: [Self; 4] = [Self::Low, Self::Normal, Self::High, Self::Urgent];

    /// The priority's name, as everywhere outside Rust.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Urgent => "urgent",
        }
    }

    /// Its place in [`ALL`](Self::ALL).
    #[must_use]
    pub fn level(self) -> usize {
        match self {
            Self::Low => 0,
            Self::Normal => 1,
            Self::High => 2,
            Self::Urgent => 3,
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Priority {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        by_name(&Self::ALL, "priority", text)
    }
}
