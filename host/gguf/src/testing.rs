//! Headers and files for the tests of this crate.

use super::{GgufHeader, TensorInfo, TensorType, Value};

/// A header with these keys and tensors.
pub(crate) fn header<K: Into<String>>(
    keys: impl IntoIterator<Item = (K, Value)>,
    tensors: Vec<TensorInfo>,
) -> GgufHeader {
    let keys = keys.into_iter();
    GgufHeader {
        version: 3,
        metadata: keys.map(|(key, value)| (key.into(), value)).collect(),
        tensors,
        file_bytes: 0,
        parts: Vec::new(),
    }
}

/// A tensor with as many bytes as its type needs.
pub(crate) fn tensor(name: &str, ty: TensorType, dimensions: &[u64]) -> TensorInfo {
    let elements = dimensions.iter().product();
    let (block_weights, block_bytes) = ty.block();
    TensorInfo {
        name: name.to_owned(),
        dimensions: dimensions.to_vec(),
        ty,
        elements,
        bytes: elements / block_weights * block_bytes,
    }
}

/// A text as a file has it: its length, then its bytes.
pub(crate) fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

/// The begin of a file with these keys and values (with their types before them), which says that
/// it has this number of tensors.
pub(crate) fn with_keys(keys: &[(&str, Vec<u8>)], tensors: u64) -> Vec<u8> {
    let mut bytes = [&b"GGUF"[..], &3u32.to_le_bytes(), &tensors.to_le_bytes()].concat();
    bytes.extend((keys.len() as u64).to_le_bytes());
    for (key, value) in keys {
        bytes.extend([text(key), value.clone()].concat());
    }
    bytes
}

/// The header of a file with these keys, and tensors of 8 weights in F32 at these places in the
/// data.
pub(crate) fn with_tensors(keys: &[(&str, Vec<u8>)], tensors: &[(&str, u64)]) -> Vec<u8> {
    let mut bytes = with_keys(keys, tensors.len() as u64);
    for (name, offset) in tensors {
        bytes.extend([text(name), 1u32.to_le_bytes().to_vec()].concat());
        bytes.extend(8u64.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(offset.to_le_bytes());
    }
    bytes
}
