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
    serde::Serialize,
    serde::Deserialize,
)]
#[strum(serialize_all = "lowercase")]
pub enum KvType {
    /// 16-bit floating point numbers.
    #[default]
    F16,
    /// 8-bit numbers with one scale for each 32: 34 bytes instead of 64 for 32 numbers.
    Q8_0,
}

named!(KvType, "KV type");
