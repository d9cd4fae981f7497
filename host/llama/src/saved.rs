//! The saved state of a sequence in host memory.

use std::borrow::Cow;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cells::UsableBounds;

/// zstd's compression level: 1 is the fastest. Half-precision keys and values resemble noise, so
/// higher levels gain little and are slow.
const LEVEL: i32 = 1;

/// The saved state of a sequence. Clones share the memory.
#[derive(Debug, Clone)]
pub struct SavedSequence {
    bytes: Arc<Vec<u8>>,
    form: SavedForm,
}

/// The format of a state's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedForm {
    bounds: UsableBounds,
    /// Size before compression, if the bytes are compressed.
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

    /// Creates a state from its bytes and their format.
    pub fn from_parts(bytes: Vec<u8>, form: SavedForm) -> Self {
        Self {
            bytes: Arc::new(bytes),
            form,
        }
    }

    /// A state made by a test.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn made_up(bytes: Vec<u8>, tokens: u32, is_recurrent: bool) -> Self {
        let bounds = UsableBounds {
            is_recurrent,
            ..UsableBounds::whole(tokens)
        };
        Self::new(bytes, bounds)
    }

    /// The state in compressed form, if that is smaller.
    ///
    /// # Errors
    ///
    /// zstd's error for lack of memory.
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

    /// The bytes that llama.cpp wrote.
    ///
    /// # Errors
    ///
    /// zstd's error for lack of memory.
    pub fn unpacked(&self) -> io::Result<Cow<'_, [u8]>> {
        match self.form.unpacked {
            None => Ok(Cow::Borrowed(&self.bytes)),
            Some(bytes) => {
                let bytes = usize::try_from(bytes).map_err(io::Error::other)?;
                zstd::bulk::decompress(&self.bytes, bytes).map(Cow::Owned)
            }
        }
    }

    /// The format of its bytes.
    pub fn form(&self) -> SavedForm {
        self.form
    }

    /// The bytes as they are stored.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Number of tokens.
    pub fn tokens(&self) -> u32 {
        self.form.tokens()
    }

    /// How many of its first `tokens` can be continued: `tokens`, or 0.
    pub fn usable(&self, tokens: u32) -> u32 {
        self.form.usable(tokens)
    }

    /// Whether tokens before these can be removed after the state is restored, so that the next
    /// token follows directly after these. Only for a memory that supports shifting.
    pub fn may_move(&self, tokens: Range<u32>) -> bool {
        self.form.bounds.may_move(tokens)
    }

    /// Whether both share the same memory.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.bytes, &other.bytes)
    }
}

impl SavedForm {
    /// Number of tokens.
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
        // Data that compression would not shrink is stored as it is.
        let noise = SavedSequence::made_up(vec![1, 2, 3], 1, false);
        assert_eq!(noise.packed().unwrap().bytes(), [1, 2, 3]);
    }
}
