//! How urgent a request is.

use crate::kind::named;

/// How urgent a request is. Higher goes first; see
/// [`ModelConfig::ageing`](crate::ModelConfig::ageing) for why lower ones move too.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::EnumCount,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
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

named!(Priority, "priority");

impl Priority {
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
