//! The file of one state: `MYNAHKV1`, the length of the header, the header as JSON, its SHA-256,
//! the state as llama.cpp wrote it, and the SHA-256 of the state. Numbers are little-endian.

use std::io::{self, Read, Write};

use mynah_llama::{SavedForm, SavedSequence};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The first bytes of a file. The last character is the version of the format.
const MAGIC: &[u8; 8] = b"MYNAHKV1";

/// The first bytes of a file of any version.
const MARK: &[u8] = b"MYNAHKV";

/// Bytes of a hash.
const HASH_BYTES: usize = 32;

/// Longest header that is read. The ids of a million tokens take 7 MB. Only this program writes
/// these files, but a damaged one must not make it allocate any amount of memory.
const MAX_HEADER_BYTES: u32 = 64 << 20;

/// The description of a saved state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// The model, and everything else that the state depends on.
    pub(crate) fingerprint: String,
    /// The name of the owner who may use it.
    pub(crate) owner: String,
    /// Whether an owner with this name may exist after a restart.
    pub(crate) is_lasting: bool,
    /// The tokens that the state holds, from the beginning.
    pub(crate) tokens: Vec<i32>,
    /// Number of tokens at the beginning that were computed in the steps of a deterministic
    /// request.
    pub(crate) exact: u32,
    /// The form of the state's bytes.
    pub(crate) form: SavedForm,
    /// Size of the state in the file, in bytes.
    pub(crate) bytes: u64,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Damage {
    #[error("it can't be read: {0}")]
    Io(#[from] io::Error),
    #[error("it is no state of this version")]
    Magic,
    #[error("it is cut off")]
    CutOff,
    #[error("its header is damaged")]
    Header,
    #[error("its state is damaged")]
    State,
    #[error("it is another model's")]
    Foreign,
}

impl Damage {
    /// Converts an error of reading. The end of the file is also an error.
    fn reading(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::CutOff,
            _ => Self::Io(error),
        }
    }
}

/// Whether a file of this program begins with these bytes, or ends within its mark because the
/// process ended while it was writing them.
pub(crate) fn is_marked(from: &mut impl Read) -> bool {
    let mut begin = Vec::new();
    let read = from.take(MARK.len() as u64).read_to_end(&mut begin);
    read.is_ok() && MARK.starts_with(&begin)
}

impl Header {
    /// Size of the whole file in bytes.
    pub(crate) fn file_bytes(&self) -> u64 {
        let header = serde_json::to_vec(self).map_or(0, |json| json.len());
        let around = MAGIC.len() + size_of::<u32>() + header + 2 * HASH_BYTES;
        around as u64 + self.bytes
    }

    /// Writes the file of a state.
    ///
    /// # Errors
    ///
    /// The writer's.
    pub(crate) fn write(&self, state: &[u8], to: &mut impl Write) -> io::Result<()> {
        let json = serde_json::to_vec(self)?;
        let length = u32::try_from(json.len()).map_err(io::Error::other)?;
        to.write_all(MAGIC)?;
        to.write_all(&length.to_le_bytes())?;
        to.write_all(&json)?;
        to.write_all(&Sha256::digest(&json))?;
        to.write_all(state)?;
        to.write_all(&Sha256::digest(state))
    }

    /// Reads the header. The state comes next.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn read(from: &mut impl Read) -> Result<Self, Damage> {
        let magic: [u8; MAGIC.len()] = array(from)?;
        if magic != *MAGIC {
            return Err(Damage::Magic);
        }
        let length = u32::from_le_bytes(array(from)?);
        if length > MAX_HEADER_BYTES {
            return Err(Damage::Header);
        }
        let json = bytes(from, u64::from(length))?;
        let hash: [u8; HASH_BYTES] = array(from)?;
        if Sha256::digest(&json)[..] != hash {
            return Err(Damage::Header);
        }
        serde_json::from_slice(&json).map_err(|_| Damage::Header)
    }

    /// Reads the state that follows the header.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn read_state(&self, from: &mut impl Read) -> Result<SavedSequence, Damage> {
        let state = bytes(from, self.bytes)?;
        let hash: [u8; HASH_BYTES] = array(from)?;
        if Sha256::digest(&state)[..] != hash {
            return Err(Damage::State);
        }
        Ok(SavedSequence::from_parts(state, self.form))
    }
}

fn array<const N: usize>(from: &mut impl Read) -> Result<[u8; N], Damage> {
    let mut array = [0; N];
    from.read_exact(&mut array).map_err(Damage::reading)?;
    Ok(array)
}

/// Reads `count` bytes. Memory is only allocated for bytes that exist, not for those that a header
/// claims.
fn bytes(from: &mut impl Read, count: u64) -> Result<Vec<u8>, Damage> {
    let mut bytes = Vec::new();
    from.take(count).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == count {
        Ok(bytes)
    } else {
        Err(Damage::CutOff)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(tokens: Vec<i32>, state: &[u8]) -> (Header, Vec<u8>) {
        let length = u32::try_from(tokens.len()).unwrap();
        let saved = SavedSequence::made_up(state.to_vec(), length, false);
        let header = Header {
            fingerprint: "f".to_owned(),
            owner: "ann".to_owned(),
            is_lasting: true,
            tokens,
            exact: 1,
            form: saved.form(),
            bytes: saved.size(),
        };
        let mut file = Vec::new();
        header.write(state, &mut file).unwrap();
        (header, file)
    }

    #[test]
    fn what_was_written_is_read() {
        let (header, file) = written(vec![1, 2, 3], b"state");
        assert_eq!(header.file_bytes(), file.len() as u64);
        let mut from = &file[..];
        let read = Header::read(&mut from).unwrap();
        assert_eq!(read, header);
        let state = read.read_state(&mut from).unwrap();
        assert_eq!((state.bytes(), state.tokens()), (&b"state"[..], 3));
        assert!(from.is_empty());
    }

    #[test]
    fn what_else_is_there_is_told() {
        let wrong = |bytes: &[u8]| Header::read(&mut &bytes[..]).unwrap_err().to_string();
        assert_eq!(wrong(b""), "it is cut off");
        assert_eq!(wrong(b"GGUF and so on"), "it is no state of this version");
        assert_eq!(wrong(b"MYNAHKV1\xff\xff\xff\xff"), "its header is damaged");
    }

    proptest! {
        /// Any changed byte and any truncation is detected, and nothing of the file is used.
        #[test]
        fn any_damage_is_noticed(
            tokens in prop::collection::vec(0i32..1000, 1..20),
            state in prop::collection::vec(any::<u8>(), 1..200),
            at in any::<prop::sample::Index>(),
            bit in 0u8..8,
            cuts in any::<bool>(),
        ) {
            let (_, mut file) = written(tokens, &state);
            let at = at.index(file.len());
            if cuts {
                file.truncate(at);
            } else {
                file[at] ^= 1 << bit;
            }
            let mut from = &file[..];
            let read = Header::read(&mut from).and_then(|header| header.read_state(&mut from));
            prop_assert!(read.is_err());
        }
    }
}
