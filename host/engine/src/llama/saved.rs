//! A sequence's state in host memory.

use super::cells::UsableBounds;

/// A sequence's state in host memory.
#[derive(Debug)]
pub(crate) struct SavedSequence {
    bytes: Vec<u8>,
    bounds: UsableBounds,
}

impl SavedSequence {
    pub(super) fn new(bytes: Vec<u8>, bounds: UsableBounds) -> Self {
        Self { bytes, bounds }
    }

    /// A state that a test makes up.
    #[cfg(test)]
    pub(crate) fn made_up(bytes: Vec<u8>, tokens: u32, is_recurrent: bool) -> Self {
        let bounds = UsableBounds {
            is_recurrent,
            ..UsableBounds::whole(tokens)
        };
        Self::new(bytes, bounds)
    }

    /// As llama.cpp wrote it.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes that it takes.
    pub(crate) fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Tokens that it holds.
    pub(crate) fn tokens(&self) -> u32 {
        self.bounds.length
    }

    /// How many of its first `tokens` can be gone on from: `tokens`, or 0.
    pub(crate) fn usable(&self, tokens: u32) -> u32 {
        self.bounds.usable(tokens)
    }
}
