//! Detects models that llama.cpp's quantiser cannot convert, from the header of the file.
//!
//! Based on `llama-quant.cpp` of the pinned llama.cpp (llama-cpp-sys-2 0.1.161): its assertions,
//! and the inputs for which it would write an unreadable file.

use crate::model::gguf::{GgufHeader, Value};

/// Alignment of the tensors in the quantiser's output, independent of the source
/// (`GGUF_DEFAULT_ALIGNMENT`).
const ALIGNMENT: u64 = 32;

/// Refuses files for which llama.cpp would end the process or write a wrong result.
pub(super) fn check(header: &GgufHeader) -> Result<(), String> {
    // The quantiser counts rows in three dimensions, then asserts that the size matches all four.
    if let Some(tensor) = header
        .tensors
        .iter()
        .find(|tensor| tensor.dimensions.get(3).is_some_and(|&size| size > 1))
    {
        return Err(format!(
            "tensor `{}` has four dimensions, llama.cpp converts up to three",
            tensor.name
        ));
    }
    // The quantiser copies this key, but aligns to 32, so no reader would find the tensors.
    match header.metadata.get("general.alignment") {
        None | Some(Value::Unsigned(ALIGNMENT)) => Ok(()),
        Some(value) => Err(format!(
            "`general.alignment` is {value:?}, llama.cpp converts files with {ALIGNMENT}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::gguf::{TensorInfo, TensorType};

    fn header(key: &str, value: Value) -> GgufHeader {
        GgufHeader {
            version: 3,
            metadata: BTreeMap::from([(key.to_owned(), value)]),
            tensors: Vec::new(),
            file_bytes: 0,
            parts: Vec::new(),
        }
    }

    #[test]
    fn what_the_quantiser_asserts_or_writes_wrongly_is_refused() {
        let aligned = |value| check(&header("general.alignment", Value::Unsigned(value)));
        assert_eq!(aligned(32), Ok(()));
        assert!(aligned(64).unwrap_err().contains("general.alignment"));
        let mut four = header("x", Value::Bool(true));
        four.tensors.push(TensorInfo {
            name: "a.weight".into(),
            dimensions: vec![32, 2, 2, 2],
            ty: TensorType::F32,
            elements: 256,
            bytes: 1024,
        });
        assert!(check(&four).unwrap_err().contains("a.weight"));
    }
}
