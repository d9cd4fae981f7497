//! How urgent a request is.

use crate::kind::named;

/// How urgent a request is. Higher priorities run first.
/// [`ModelConfig::ageing`](crate::ModelConfig::ageing) explains why lower ones run, too.
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
    serde::Serialize,
    serde::Deserialize,
)]
#[strum(serialize_all = "lowercase")]
pub enum Priority {
    /// May be parked while an urgent request needs its sequence.
    Low,
    /// The default.
    #[default]
    Normal,
    /// Runs before normal requests.
    High,
    /// Runs before all others. If no sequence is free, a running request of low priority is parked.
    Urgent,
}

named!(Priority, "priority");

impl Priority {
    /// The index in [`ALL`](Self::ALL).
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
