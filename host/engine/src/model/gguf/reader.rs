//! Reading the header, with a bound on everything that the file decides.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use super::error::Problem;
use super::{GgufError, GgufHeader, TensorInfo, TensorType, Value};

const MAGIC: [u8; 4] = *b"GGUF";
/// Metadata keys at most; large models have some dozens.
const MAX_KEYS: u64 = 10_000;
/// Tensors at most; the largest models have some thousands.
const MAX_TENSORS: u64 = 100_000;
/// Bytes of a key or a tensor's name at most (the format says 65,535 and 64).
const MAX_NAME: u64 = 65_535;
/// Bytes of a text value at most; chat templates have some ten thousand.
const MAX_TEXT: u64 = 1 << 20;
/// Dimensions of a tensor at most (`GGML_MAX_DIMS`).
const MAX_DIMENSIONS: u32 = 4;
/// Alignment of tensor data where the file doesn't say (`GGUF_DEFAULT_ALIGNMENT`).
const DEFAULT_ALIGNMENT: u64 = 32;

type Result<T> = std::result::Result<T, Problem>;

impl GgufHeader {
    /// Reads and checks the header of a file, and that the file is as long as the header says.
    ///
    /// # Errors
    ///
    /// [`GgufError`], with the file and what is wrong with it.
    pub fn read(path: &Path) -> std::result::Result<Self, GgufError> {
        read_file(path).map_err(|problem| GgufError {
            path: path.to_owned(),
            problem,
        })
    }
}

fn read_file(path: &Path) -> Result<GgufHeader> {
    // Asked before opening: opening a pipe would wait for a writer.
    let found = std::fs::metadata(path)?;
    if found.is_dir() {
        return Err(Problem::Folder);
    }
    if !found.is_file() {
        return Err(Problem::NotAFile);
    }
    let file = File::open(path)?;
    let file_bytes = file.metadata()?.len();
    Reader::new(BufReader::new(file), file_bytes).header()
}

struct Reader<R> {
    input: R,
    at: u64,
    file_bytes: u64,
}

impl<R: Read + Seek> Reader<R> {
    fn new(input: R, file_bytes: u64) -> Self {
        Self {
            input,
            at: 0,
            file_bytes,
        }
    }

    fn header(&mut self) -> Result<GgufHeader> {
        self.magic()?;
        let version = self.u32()?;
        if version != 2 && version != 3 {
            return Err(Problem::Version { version });
        }
        let tensor_count = self.count("tensors", MAX_TENSORS)?;
        let key_count = self.count("metadata keys", MAX_KEYS)?;
        if tensor_count == 0 {
            return Err(damaged("it has no tensors".to_owned()));
        }
        let metadata = self.metadata(key_count)?;
        let alignment = match metadata.get("general.alignment") {
            None => DEFAULT_ALIGNMENT,
            Some(Value::Unsigned(alignment)) if alignment.is_power_of_two() => *alignment,
            Some(other) => {
                return Err(damaged(format!(
                    "its alignment is {other:?}, not a power of two"
                )));
            }
        };
        let mut tensors = Vec::new();
        let mut data_bytes = 0;
        for _ in 0..tensor_count {
            let (tensor, offset) = self.tensor()?;
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
            return Err(Problem::DataCutOff {
                needed,
                file_bytes: self.file_bytes,
            });
        }
        Ok(GgufHeader {
            version,
            metadata,
            tensors,
            file_bytes: self.file_bytes,
        })
    }

    fn magic(&mut self) -> Result<()> {
        if self.file_bytes == 0 {
            return Err(Problem::Empty);
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
        let begins = match begin {
            [b'P', b'K', 3, 4, ..] => "begins as a zip archive (or a PyTorch model)",
            [0, b'a', b's', b'm', ..] => "begins as a WebAssembly file",
            // A length, then JSON.
            [_, _, _, _, _, _, 0, 0, b'{'] => "looks like safetensors",
            // Written as little-endian numbers, so they stand backwards.
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
        Err(Problem::Magic { begins })
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
        Ok(match ty {
            0 => Value::Unsigned(u8::from_le_bytes(self.bytes()?).into()),
            1 => Value::Signed(i8::from_le_bytes(self.bytes()?).into()),
            2 => Value::Unsigned(u16::from_le_bytes(self.bytes()?).into()),
            3 => Value::Signed(i16::from_le_bytes(self.bytes()?).into()),
            4 => Value::Unsigned(self.u32()?.into()),
            5 => Value::Signed(i32::from_le_bytes(self.bytes()?).into()),
            6 => Value::Float(f32::from_le_bytes(self.bytes()?).into()),
            7 => Value::Bool(u8::from_le_bytes(self.bytes()?) != 0),
            8 => Value::String(self.text(key, MAX_TEXT)?),
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

    /// Passes over an array and gives its length. Arrays of arrays are not used by any model.
    fn skip_array(&mut self, key: &str) -> Result<u64> {
        let ty = self.u32()?;
        let length = self.u64()?;
        let size = match ty {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            10..=12 => 8,
            8 => {
                // Each text has a length of 8 bytes, so the file bounds how many there can be.
                for _ in 0..length {
                    let bytes = self.u64()?;
                    self.skip(bytes)?;
                }
                return Ok(length);
            }
            _ => {
                let what = format!("the array `{key}` has elements of the unknown type {ty}");
                return Err(damaged(what));
            }
        };
        let bytes = length.checked_mul(size);
        self.skip(bytes.ok_or_else(|| damaged(format!("the array `{key}` has no end")))?)?;
        Ok(length)
    }

    fn tensor(&mut self) -> Result<(TensorInfo, u64)> {
        let name = self.text("a tensor's name", MAX_NAME)?;
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
                "tensor `{name}` has rows of {row} weights, {ty} stores them in blocks of {block_weights}"
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
        if length > most {
            return Err(damaged(format!(
                "{what} is a text of {length} bytes, {most} are possible"
            )));
        }
        self.room(length)?;
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.input.read_exact(&mut bytes)?;
        self.at += length;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
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

    /// Checks that the file has so many more bytes.
    fn room(&self, bytes: u64) -> Result<()> {
        if bytes > self.file_bytes.saturating_sub(self.at) {
            return Err(Problem::HeaderCutOff {
                at: self.file_bytes,
                file_bytes: self.file_bytes,
            });
        }
        Ok(())
    }
}

fn damaged(what: String) -> Problem {
    Problem::Damaged(what)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<GgufHeader> {
        Reader::new(Cursor::new(bytes), bytes.len() as u64).header()
    }

    fn text(text: &str) -> Vec<u8> {
        [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
    }

    /// A header with every sort of value, and one tensor of 2 × 32 weights in Q4_1.
    fn sample() -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(MAGIC);
        bytes.extend(3u32.to_le_bytes());
        bytes.extend(1u64.to_le_bytes());
        bytes.extend(5u64.to_le_bytes());
        bytes.extend(
            [
                text("general.architecture"),
                8u32.to_le_bytes().to_vec(),
                text("llama"),
            ]
            .concat(),
        );
        bytes.extend(
            [
                text("llama.context_length"),
                4u32.to_le_bytes().to_vec(),
                512u32.to_le_bytes().to_vec(),
            ]
            .concat(),
        );
        bytes.extend(
            [
                text("general.file_type"),
                4u32.to_le_bytes().to_vec(),
                3u32.to_le_bytes().to_vec(),
            ]
            .concat(),
        );
        bytes.extend([text("flag"), 7u32.to_le_bytes().to_vec(), vec![1]].concat());
        let words = [text("a"), text("bc")].concat();
        bytes.extend(
            [
                text("tokenizer.ggml.tokens"),
                9u32.to_le_bytes().to_vec(),
                8u32.to_le_bytes().to_vec(),
                2u64.to_le_bytes().to_vec(),
                words,
            ]
            .concat(),
        );
        bytes.extend(text("w"));
        bytes.extend(2u32.to_le_bytes());
        bytes.extend([32u64.to_le_bytes(), 2u64.to_le_bytes()].concat());
        bytes.extend(3u32.to_le_bytes());
        bytes.extend(0u64.to_le_bytes());
        bytes.resize(bytes.len().next_multiple_of(32) + 40, 0);
        bytes
    }

    #[test]
    fn a_header_is_read() {
        let header = read(&sample()).unwrap();
        assert_eq!(header.architecture(), Some("llama"));
        assert_eq!(header.context_length(), Some(512));
        assert_eq!(header.vocab_size(), Some(2));
        assert_eq!(header.file_type(), "Q4_1");
        assert_eq!(header.parameters(), 64);
        assert_eq!(header.weights_by_type(), [(TensorType::Q4_1, 64, 40)]);
        assert_eq!(header.metadata.get("flag"), Some(&Value::Bool(true)));
    }

    #[test]
    fn every_cut_is_noticed() {
        let whole = sample();
        for length in 0..whole.len() {
            let problem = read(&whole[..length]).unwrap_err();
            let expected = match length {
                0 => matches!(problem, Problem::Empty),
                1..4 => matches!(problem, Problem::Magic { .. }),
                _ => matches!(
                    problem,
                    Problem::HeaderCutOff { .. } | Problem::DataCutOff { .. }
                ),
            };
            assert!(expected, "cut at {length}: {problem}");
        }
    }

    #[test]
    fn other_files_are_named() {
        for (bytes, words) in [
            (&b"PK\x03\x04...."[..], "zip"),
            (b"\0asm\x01\0\0\0", "WebAssembly"),
            (b"\x10\0\0\0\0\0\0\0{\"__metadata__", "safetensors"),
            (b"tjgg....", "older ggml"),
            (b"# readme\n", "text"),
            (b"\xff\xfe\xfd\xfc\xfb", "other bytes"),
        ] {
            let problem = read(bytes).unwrap_err().to_string();
            assert!(problem.contains(words), "{problem}");
        }
    }

    #[test]
    fn a_version_that_is_not_supported_is_named() {
        let mut bytes = sample();
        bytes[4] = 9;
        assert!(read(&bytes).unwrap_err().to_string().contains("version 9"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
            let _ = read(&[&MAGIC[..], &3u32.to_le_bytes(), &bytes].concat());
        }

        #[test]
        fn no_changed_byte_makes_it_panic(at in 0usize..300, byte: u8) {
            let mut bytes = sample();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = read(&bytes);
        }
    }
}
