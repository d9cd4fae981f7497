//! What keys and values are kept as.

use llama_cpp_sys_2 as sys;

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

    pub(super) fn raw(self) -> sys::ggml_type {
        match self {
            Self::F16 => sys::GGML_TYPE_F16,
            Self::Q8_0 => sys::GGML_TYPE_Q8_0,
        }
    }
}
