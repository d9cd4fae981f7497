//! A sequence's state in host memory.

use std::borrow::Cow;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cells::UsableBounds;

/// zstd's level: 1 is its fastest that packs at all. Half-precision keys and values are close to
/// noise, so that higher ones gain little and take long.
const LEVEL: i32 = 1;

/// A sequence's state in host memory. Clones share it.
#[derive(Debug, Clone)]
pub struct SavedSequence {
    bytes: Arc<Vec<u8>>,
    form: SavedForm,
}

/// How the bytes of a state are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedForm {
    bounds: UsableBounds,
    /// Bytes before they were packed, where they are.
    unpacked: Option<u64>,
}

impl SavedSequence {
    pub(super) fn new(bytes: Vec<u8>, bounds: UsableBounds) -> Self {
        let form = SavedForm {
            bounds,
            unpacked: None,
        };
        Self::from_parts(bytes, form)
    }

    /// The state of these bytes.
    pub fn from_parts(bytes: Vec<u8>, form: SavedForm) -> Self {
        Self {
            bytes: Arc::new(bytes),
            form,
        }
    }

    /// A state that a test makes up.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn made_up(bytes: Vec<u8>, tokens: u32, is_recurrent: bool) -> Self {
        let bounds = UsableBounds {
            is_recurrent,
            ..UsableBounds::whole(tokens)
        };
        Self::new(bytes, bounds)
    }

    /// The same state in less memory, where it is any smaller when it is packed.
    ///
    /// # Errors
    ///
    /// zstd's, for lack of memory.
    pub fn packed(self) -> io::Result<Self> {
        if self.form.unpacked.is_some() {
            return Ok(self);
        }
        let packed = zstd::bulk::compress(&self.bytes, LEVEL)?;
        if packed.len() >= self.bytes.len() {
            return Ok(self);
        }
        let unpacked = Some(self.size());
        let form = SavedForm {
            unpacked,
            ..self.form
        };
        Ok(Self::from_parts(packed, form))
    }

    /// As llama.cpp wrote it.
    ///
    /// # Errors
    ///
    /// zstd's, for lack of memory.
    pub fn unpacked(&self) -> io::Result<Cow<'_, [u8]>> {
        match self.form.unpacked {
            None => Ok(Cow::Borrowed(&self.bytes)),
            Some(bytes) => {
                let bytes = usize::try_from(bytes).map_err(io::Error::other)?;
                zstd::bulk::decompress(&self.bytes, bytes).map(Cow::Owned)
            }
        }
    }

    /// How its bytes are to be read.
    pub fn form(&self) -> SavedForm {
        self.form
    }

    /// As they are kept.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes that it takes.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Tokens that it holds.
    pub fn tokens(&self) -> u32 {
        self.form.tokens()
    }

    /// How many of its first `tokens` can be gone on from: `tokens`, or 0.
    pub fn usable(&self, tokens: u32) -> u32 {
        self.form.usable(tokens)
    }

    /// Whether what comes before these of its tokens can be taken out once it is put back, so that
    /// the next token comes right behind them; where tokens can be moved at all.
    pub fn may_move(&self, tokens: Range<u32>) -> bool {
        self.form.bounds.may_move(tokens)
    }

    /// Whether both are one and the same, in memory once.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.bytes, &other.bytes)
    }
}

impl SavedForm {
    /// Tokens of the state.
    pub fn tokens(&self) -> u32 {
        self.bounds.length
    }

    /// As [`SavedSequence::usable`].
    pub fn usable(&self, tokens: u32) -> u32 {
        self.bounds.usable(tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_state_is_the_same() {
        let bytes: Vec<u8> = (0..10_000u32).map(|n| (n / 100) as u8).collect();
        let state = SavedSequence::made_up(bytes.clone(), 7, false);
        let packed = state.packed().unwrap();
        assert!(packed.size() < 1000, "{}", packed.size());
        assert_eq!(packed.tokens(), 7);
        assert_eq!(*packed.unpacked().unwrap(), bytes);
        // What doesn't pack stays as it is.
        let noise = SavedSequence::made_up(vec![1, 2, 3], 1, false);
        assert_eq!(noise.packed().unwrap().bytes(), [1, 2, 3]);
    }
}
