//! The type of keys and values in the KV cells.

use crate::kind::named;

/// The type of keys and values in the KV cells.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    strum::EnumCount,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
pub enum KvType {
    /// Sixteen-bit floats.
    #[default]
    F16,
    /// Eight bits and a scale for each 32 numbers: 34 bytes for 32 numbers in place of 64.
    Q8_0,
}

named!(KvType, "KV type");
