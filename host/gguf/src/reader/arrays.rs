//! Arrays whose contents the checks need.

use std::io::{Read, Seek};

use super::{Reader, Result};

/// Maximum size of a normalisation table in bytes; the largest known have 320 KiB.
const MAX_CHARSMAP: u64 = 16 << 20;
/// The type of byte tokens (`LLAMA_TOKEN_TYPE_BYTE`).
const BYTE: u32 = 6;

impl<R: Read + Seek> Reader<R> {
    /// Reads the types of the tokens. The size of the file limits their number.
    pub(super) fn token_types(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            self.vocabulary.has_byte_type |= self.u32()? == BYTE;
        }
        Ok(())
    }

    pub(super) fn charsmap(&mut self, bytes: u64) -> Result<()> {
        self.vocabulary.charsmap = self.text_bytes("its charsmap", bytes, MAX_CHARSMAP)?;
        Ok(())
    }

    pub(super) fn list(&mut self, key: &str, ty: u32, length: u64) -> Result<()> {
        let mut list = Vec::new();
        for _ in 0..length {
            list.push(match ty {
                0 => u8::from_le_bytes(self.bytes()?).into(),
                1 => i8::from_le_bytes(self.bytes()?).into(),
                2 => u16::from_le_bytes(self.bytes()?).into(),
                3 => i16::from_le_bytes(self.bytes()?).into(),
                4 => self.u32()?.into(),
                5 => i32::from_le_bytes(self.bytes()?).into(),
                10 => i64::try_from(self.u64()?).unwrap_or(i64::MAX),
                _ => i64::from_le_bytes(self.bytes()?),
            });
        }
        self.lists.insert(key.to_owned(), list);
        Ok(())
    }
}
