//! What keys and values are kept as.

use std::fmt;
use std::str::FromStr;

use crate::by_name;

/// What keys and values are kept as in KV cells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KvType {
    /// Sixteen-bit floats.
    #[default]
    F16,
    /// Eight bits and a scale for each 32 numbers: 34 bytes for 32 numbers in place of 64.
    Q8_0,
}

impl KvType {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::F16, Self::Q8_0];

    /// The type's name, as everywhere outside Rust.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::Q8_0 => "q8_0",
        }
    }
}

impl fmt::Display for KvType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for KvType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        by_name(&Self::ALL, "KV type", text)
    }
}
