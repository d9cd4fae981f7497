//! Reads the header, with a limit for everything that the file controls.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use super::check::check;
use super::error::GgufProblem;
use super::parts;
use super::vocabulary::Vocabulary;
use super::{GgufError, GgufHeader, TensorInfo, TensorType, Value};

const MAGIC: [u8; 4] = *b"GGUF";
/// Maximum number of metadata keys; large models have a few dozen.
const MAX_KEYS: u64 = 10_000;
/// Maximum number of tensors; the largest models have a few thousand.
const MAX_TENSORS: u64 = 100_000;
/// Maximum length of a key or a token in bytes; for keys it is the format's limit.
const MAX_NAME: u64 = 65_535;
/// Maximum length of a tensor's name in bytes (`GGML_MAX_NAME` without its zero byte).
const MAX_TENSOR_NAME: u64 = 63;
/// Maximum length in bytes of a text value that is kept; chat templates have some ten thousand.
const MAX_TEXT: u64 = 1 << 20;
/// Maximum length in bytes of all texts together, which limits the memory that a file can use. The
/// largest vocabularies have about 3 MiB.
const MAX_ALL_TEXT: u64 = 64 << 20;
/// Maximum number of tokens in a vocabulary; the largest have about 260,000.
const MAX_TOKENS: u64 = 1 << 22;
/// The key of the vocabulary.
const TOKENS: &str = "tokenizer.ggml.tokens";
/// The key of the tokens' types.
const TYPES: &str = "tokenizer.ggml.token_type";
/// The key of the chat template, and the begin of those of further templates.
const TEMPLATE: &str = "tokenizer.chat_template";
/// The key of the normalisation table of a `t5` tokenizer.
const CHARSMAP: &str = "tokenizer.ggml.precompiled_charsmap";
/// Maximum length of an array of numbers that is kept: one number per layer.
const MAX_LIST: u64 = 512;
/// Maximum number of dimensions of a tensor (`GGML_MAX_DIMS`).
const MAX_DIMENSIONS: u32 = 4;
/// Alignment of tensor data if the file sets none (`GGUF_DEFAULT_ALIGNMENT`), and the minimum: ggml
/// asserts that mapped data is aligned to it (`TENSOR_ALIGNMENT`).
const DEFAULT_ALIGNMENT: u64 = 32;

mod arrays;

type Result<T> = std::result::Result<T, GgufProblem>;

impl GgufHeader {
    /// Reads and checks the header of a file, and checks the length of the file against it.
    ///
    /// # Errors
    ///
    /// [`GgufError`] with the file and what is wrong with it.
    pub fn read(path: &Path) -> std::result::Result<Self, GgufError> {
        read_file(path).map_err(|problem| GgufError {
            path: path.to_owned(),
            problem,
        })
    }
}

fn read_file(path: &Path) -> Result<GgufHeader> {
    let mut first = read_part(path)?;
    first.header = parts::join(path, first.header)?;
    first.checked()
}

/// Reads one file, of which the model may be in several.
pub(super) fn read_part(path: &Path) -> Result<Contents> {
    // Checked before opening, because opening a pipe would wait for a writer.
    let found = std::fs::metadata(path)?;
    if found.is_dir() {
        return Err(GgufProblem::Folder);
    }
    if !found.is_file() {
        return Err(GgufProblem::NotAFile);
    }
    let file = File::open(path)?;
    let file_bytes = file.metadata()?.len();
    Reader::new(BufReader::new(file), file_bytes).read()
}

/// Reads a file from memory.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read_bytes(bytes: &[u8]) -> Result<GgufHeader> {
    read_contents(bytes)?.checked()
}

/// Reads a file from memory, without the checks of what it says.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read_contents(bytes: &[u8]) -> Result<Contents> {
    let cursor = std::io::Cursor::new(bytes);
    Reader::new(cursor, bytes.len() as u64).read()
}

/// Arrays of whole numbers of at most [`MAX_LIST`] elements, by their keys.
pub(super) type Lists = BTreeMap<String, Vec<i64>>;

/// What was read from a file: its header, and what only the checks need.
pub(super) struct Contents {
    pub(super) header: GgufHeader,
    vocabulary: Vocabulary,
    pub(super) lists: Lists,
}

impl Contents {
    /// Checks the header for what llama.cpp would abort the process over.
    fn checked(self) -> Result<GgufHeader> {
        if self.header.tensors.is_empty() {
            return Err(damaged("it has no tensors".to_owned()));
        }
        check(&self.header, &self.lists)?;
        self.vocabulary.check(&self.header)?;
        Ok(self.header)
    }
}

struct Reader<R> {
    input: R,
    at: u64,
    file_bytes: u64,
    /// Bytes of text read so far.
    text_bytes: u64,
    vocabulary: Vocabulary,
    lists: Lists,
}

impl<R: Read + Seek> Reader<R> {
    fn new(input: R, file_bytes: u64) -> Self {
        Self {
            input,
            at: 0,
            file_bytes,
            text_bytes: 0,
            vocabulary: Vocabulary::default(),
            lists: Lists::new(),
        }
    }

    fn read(mut self) -> Result<Contents> {
        self.magic()?;
        let version = self.u32()?;
        // As in ggml: a small number in the other byte order.
        if version & 0xFFFF == 0 && version != 0 {
            return Err(GgufProblem::BigEndian);
        }
        if version != 2 && version != 3 {
            return Err(GgufProblem::Version { version });
        }
        let tensor_count = self.count("tensors", MAX_TENSORS)?;
        let key_count = self.count("metadata keys", MAX_KEYS)?;
        let metadata = self.metadata(key_count)?;
        let alignment = match metadata.get("general.alignment") {
            None => DEFAULT_ALIGNMENT,
            Some(Value::Unsigned(alignment))
                if alignment.is_power_of_two() && *alignment >= DEFAULT_ALIGNMENT =>
            {
                *alignment
            }
            Some(other) => {
                return Err(damaged(format!(
                    "its alignment is {other:?}, not a power of two from {DEFAULT_ALIGNMENT} on"
                )));
            }
        };
        let mut tensors = Vec::new();
        let mut names = HashSet::new();
        let mut data_bytes = 0;
        for _ in 0..tensor_count {
            let (tensor, offset) = self.tensor()?;
            if !names.insert(tensor.name.clone()) {
                return Err(damaged(format!("tensor `{}` is there twice", tensor.name)));
            }
            if offset % alignment != 0 {
                return Err(damaged(format!(
                    "tensor `{}` begins at {offset}, not at a multiple of {alignment}",
                    tensor.name
                )));
            }
            let end = offset
                .checked_add(tensor.bytes)
                .ok_or_else(|| damaged(format!("tensor `{}` has no end", tensor.name)))?;
            data_bytes = end.max(data_bytes);
            tensors.push(tensor);
        }
        let needed = self
            .at
            .checked_next_multiple_of(alignment)
            .and_then(|data| data.checked_add(data_bytes))
            .ok_or_else(|| damaged("its tensors have no end".to_owned()))?;
        if needed > self.file_bytes {
            return Err(GgufProblem::DataCutOff {
                needed,
                file_bytes: self.file_bytes,
            });
        }
        let header = GgufHeader {
            version,
            metadata,
            tensors,
            file_bytes: self.file_bytes,
            parts: Vec::new(),
        };
        Ok(Contents {
            header,
            vocabulary: self.vocabulary,
            lists: self.lists,
        })
    }

    fn magic(&mut self) -> Result<()> {
        if self.file_bytes == 0 {
            return Err(GgufProblem::Empty);
        }
        let mut begin = [0; 9];
        let length = usize::try_from(self.file_bytes).map_or(9, |bytes| bytes.min(9));
        let (begin, _) = begin.split_at_mut(length);
        self.input.read_exact(begin)?;
        if begin.starts_with(&MAGIC) {
            self.input.seek(SeekFrom::Start(4))?;
            self.at = 4;
            return Ok(());
        }
        let begins = match &*begin {
            [b'P', b'K', 3, 4, ..] => "begins as a zip archive (or a PyTorch model)",
            [0x80, 2..=5, ..] => "begins as a Python pickle (an old PyTorch model)",
            // A repository that was cloned without its large files.
            b"version h" => "looks like a Git LFS pointer (`git lfs pull` fetches the file)",
            [0, b'a', b's', b'm', ..] => "begins as a WebAssembly file",
            // A length, then JSON.
            [_, _, _, _, _, _, 0, 0, b'{'] => "looks like safetensors",
            // Written as little-endian numbers, so the letters are reversed.
            [b'l', b'm', b'g', b'g', ..]
            | [b'f', b'm', b'g', b'g', ..]
            | [b't', b'j', b'g', b'g', ..] => "is a model of an older ggml format",
            _ if begin.len() < 4 => "is too short",
            _ if begin
                .iter()
                .all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) =>
            {
                "begins as a text file"
            }
            _ => "begins with other bytes than `GGUF`",
        };
        Err(GgufProblem::Magic { begins })
    }

    fn metadata(&mut self, count: u64) -> Result<BTreeMap<String, Value>> {
        let mut metadata = BTreeMap::new();
        for _ in 0..count {
            let key = self.text("a metadata key", MAX_NAME)?;
            let ty = self.u32()?;
            let value = self.value(ty, &key)?;
            if metadata.insert(key.clone(), value).is_some() {
                return Err(damaged(format!("the key `{key}` is there twice")));
            }
        }
        Ok(metadata)
    }

    fn value(&mut self, ty: u32, key: &str) -> Result<Value> {
        // llama.cpp reads these of later parts without looking at their type, which ggml asserts.
        if matches!(key, "split.no" | "split.count") && ty != 2 {
            return Err(damaged(format!("the key `{key}` has the type {ty}, not 2")));
        }
        Ok(match ty {
            0 => Value::Unsigned(u8::from_le_bytes(self.bytes()?).into()),
            1 => Value::Signed(i8::from_le_bytes(self.bytes()?).into()),
            2 => Value::Unsigned(u16::from_le_bytes(self.bytes()?).into()),
            3 => Value::Signed(i16::from_le_bytes(self.bytes()?).into()),
            4 => Value::Unsigned(self.u32()?.into()),
            5 => Value::Signed(i32::from_le_bytes(self.bytes()?).into()),
            6 => Value::Float(f32::from_le_bytes(self.bytes()?).into()),
            7 => Value::Bool(u8::from_le_bytes(self.bytes()?) != 0),
            8 => self.text_value(key)?,
            9 => Value::Array(self.skip_array(key)?),
            10 => Value::Unsigned(self.u64()?),
            11 => Value::Signed(i64::from_le_bytes(self.bytes()?)),
            12 => Value::Float(f64::from_le_bytes(self.bytes()?)),
            _ => {
                return Err(damaged(format!(
                    "the key `{key}` has the unknown type {ty}"
                )));
            }
        })
    }

    /// Keeps a text, or skips a long one. A template is never skipped, because the model would then
    /// seem to have none.
    fn text_value(&mut self, key: &str) -> Result<Value> {
        let length = self.u64()?;
        if length > MAX_TEXT && !key.starts_with(TEMPLATE) {
            self.skip(length)?;
            return Ok(Value::LongText(length));
        }
        let bytes = self.text_bytes(key, length, MAX_TEXT)?;
        Ok(Value::String(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Skips an array and returns its length. No model uses arrays of arrays.
    fn skip_array(&mut self, key: &str) -> Result<u64> {
        let ty = self.u32()?;
        let length = self.u64()?;
        let size = match ty {
            8 if key == TOKENS => {
                self.tokens(length)?;
                return Ok(length);
            }
            5 if key == TYPES => {
                self.token_types(length)?;
                return Ok(length);
            }
            0 | 1 if key == CHARSMAP => {
                self.charsmap(length)?;
                return Ok(length);
            }
            0..=5 | 10 | 11 if length <= MAX_LIST => {
                self.list(key, ty, length)?;
                return Ok(length);
            }
            8 => {
                // Each text has a length of 8 bytes, so the size of the file limits their number.
                for _ in 0..length {
                    let bytes = self.u64()?;
                    self.skip(bytes)?;
                }
                return Ok(length);
            }
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            10..=12 => 8,
            _ => {
                let what = format!("the array `{key}` has elements of the unknown type {ty}");
                return Err(damaged(what));
            }
        };
        let bytes = length.checked_mul(size);
        self.skip(bytes.ok_or_else(|| damaged(format!("the array `{key}` has no end")))?)?;
        Ok(length)
    }

    fn tokens(&mut self, count: u64) -> Result<()> {
        if count > MAX_TOKENS {
            return Err(damaged(format!(
                "it says that it has {count} tokens, {MAX_TOKENS} are possible"
            )));
        }
        for _ in 0..count {
            let length = self.u64()?;
            let token = self.text_bytes("a token", length, MAX_NAME)?;
            self.vocabulary.add(&token)?;
        }
        Ok(())
    }

    fn tensor(&mut self) -> Result<(TensorInfo, u64)> {
        let name = self.text("a tensor's name", MAX_TENSOR_NAME)?;
        let count = self.u32()?;
        if count == 0 || count > MAX_DIMENSIONS {
            return Err(damaged(format!(
                "tensor `{name}` has {count} dimensions, 1 to 4 are possible"
            )));
        }
        let mut dimensions = Vec::new();
        for _ in 0..count {
            dimensions.push(self.u64()?);
        }
        let number = self.u32()?;
        let ty = TensorType::from_number(number).ok_or_else(|| {
            damaged(format!(
                "tensor `{name}` has the type {number}, which llama.cpp doesn't have"
            ))
        })?;
        let offset = self.u64()?;
        let (block_weights, block_bytes) = ty.block();
        let row = dimensions.first().copied().unwrap_or(0);
        let elements = dimensions
            .iter()
            .try_fold(1u64, |product, &dimension| product.checked_mul(dimension))
            .filter(|&elements| elements > 0 && i64::try_from(elements).is_ok())
            .ok_or_else(|| {
                damaged(format!(
                    "tensor `{name}` has impossible dimensions {dimensions:?}"
                ))
            })?;
        if row % block_weights != 0 {
            return Err(damaged(format!(
                "tensor `{name}` has rows of {row} weights, {ty} stores them in blocks of \
                 {block_weights}"
            )));
        }
        let bytes = (elements / block_weights)
            .checked_mul(block_bytes)
            .ok_or_else(|| damaged(format!("tensor `{name}` has no end")))?;
        Ok((
            TensorInfo {
                name,
                dimensions,
                ty,
                elements,
                bytes,
            },
            offset,
        ))
    }

    fn count(&mut self, what: &str, most: u64) -> Result<u64> {
        let count = self.u64()?;
        if count > most {
            return Err(damaged(format!(
                "it says that it has {count} {what}, {most} are possible"
            )));
        }
        Ok(count)
    }

    fn text(&mut self, what: &str, most: u64) -> Result<String> {
        let length = self.u64()?;
        let bytes = self.text_bytes(what, length, most)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn text_bytes(&mut self, what: &str, length: u64, most: u64) -> Result<Vec<u8>> {
        if length > most {
            return Err(damaged(format!(
                "{what} is a text of {length} bytes, {most} are possible"
            )));
        }
        self.room(length)?;
        self.text_bytes = self.text_bytes.saturating_add(length);
        if self.text_bytes > MAX_ALL_TEXT {
            return Err(damaged(format!(
                "its texts have more than {MAX_ALL_TEXT} bytes together"
            )));
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.input.read_exact(&mut bytes)?;
        self.at += length;
        Ok(bytes)
    }

    fn skip(&mut self, bytes: u64) -> Result<()> {
        self.room(bytes)?;
        let forward =
            i64::try_from(bytes).map_err(|_| std::io::Error::from(ErrorKind::InvalidInput))?;
        self.input.seek_relative(forward)?;
        self.at += bytes;
        Ok(())
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.room(N as u64)?;
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes)?;
        self.at += N as u64;
        Ok(bytes)
    }

    /// Checks that the file has this number of bytes left.
    fn room(&self, bytes: u64) -> Result<()> {
        if bytes > self.file_bytes.saturating_sub(self.at) {
            return Err(GgufProblem::HeaderCutOff {
                at: self.at,
                file_bytes: self.file_bytes,
            });
        }
        Ok(())
    }
}

fn damaged(what: String) -> GgufProblem {
    GgufProblem::Damaged(what)
}

#[cfg(test)]
mod tests;
