//! What the reader makes of good headers and bad ones.

use proptest::prelude::*;

use super::read_bytes as read;
use super::*;
use crate::testing::{self, text};

mod bounds;

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
            0 => matches!(problem, GgufProblem::Empty),
            1..4 => matches!(problem, GgufProblem::Magic { .. }),
            _ => matches!(
                problem,
                GgufProblem::HeaderCutOff { .. } | GgufProblem::DataCutOff { .. }
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
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
        (b"\x80\x02}q\x01....", "pickle"),
        (b"\xff\xfe\xfd\xfc", "other bytes"),
        (b"abcd", "text"),
        (b"abc", "too short"),
        (b"GGU", "too short"),
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

#[test]
fn a_big_endian_file_is_named() {
    let mut bytes = sample();
    bytes[4..8].copy_from_slice(&3u32.to_be_bytes());
    let problem = read(&bytes).unwrap_err();
    assert!(matches!(problem, GgufProblem::BigEndian), "{problem}");
}

/// A header with these keys, which says that it has a tensor.
fn with_keys(keys: &[(&str, Vec<u8>)]) -> Vec<u8> {
    testing::with_keys(keys, 1)
}

fn text_value(length: usize) -> Vec<u8> {
    [8u32.to_le_bytes().to_vec(), text(&"x".repeat(length))].concat()
}

#[test]
fn a_long_text_is_passed_over_and_a_long_template_refused() {
    let long = 1 + usize::try_from(MAX_TEXT).unwrap();
    // The keys are fine: what is missing comes after them.
    let problem = read(&with_keys(&[(
        "tokenizer.huggingface.json",
        text_value(long),
    )]));
    assert!(matches!(problem, Err(GgufProblem::HeaderCutOff { .. })));
    let problem = read(&with_keys(&[(TEMPLATE, text_value(long))])).unwrap_err();
    assert!(problem.to_string().contains(TEMPLATE), "{problem}");
}

#[test]
fn the_texts_of_a_file_are_bounded_together() {
    let megabyte = text_value(usize::try_from(MAX_TEXT).unwrap());
    let names: Vec<String> = (0..65).map(|number| format!("key{number}")).collect();
    let keys: Vec<(&str, Vec<u8>)> = names
        .iter()
        .map(|name| (name.as_str(), megabyte.clone()))
        .collect();
    let problem = read(&with_keys(&keys)).unwrap_err().to_string();
    assert!(problem.contains("together"), "{problem}");
}

#[test]
fn a_tensor_that_is_there_twice_is_refused() {
    let mut bytes = testing::with_tensors(&[], &[("w", 0), ("w", 0)]);
    bytes.resize(bytes.len() + 256, 0);
    let problem = read(&bytes).unwrap_err().to_string();
    assert!(problem.contains("`w` is there twice"), "{problem}");
}

/// A header with these keys, and tensors of 8 weights in F32 at these places in the data.
fn with_tensors(keys: &[(&str, Vec<u8>)], offsets: &[u64]) -> Vec<u8> {
    let names: Vec<String> = (0..offsets.len())
        .map(|number| format!("w{number}"))
        .collect();
    let names = names.iter().map(String::as_str);
    let tensors: Vec<(&str, u64)> = names.zip(offsets.iter().copied()).collect();
    testing::with_tensors(keys, &tensors)
}

#[test]
fn tensors_are_aligned_to_32_bytes_or_more() {
    for (alignment, is_taken) in [
        (0u32, false),
        (1, false),
        (16, false),
        (31, false),
        (33, false),
    ]
    .into_iter()
    .chain([(32, true), (64, true), (4096, true)])
    {
        let value = [4u32.to_le_bytes(), alignment.to_le_bytes()].concat();
        let mut bytes = with_tensors(&[("general.alignment", value)], &[0]);
        bytes.resize(bytes.len() + 8192, 0);
        let problem = read(&bytes).map_err(|problem| problem.to_string());
        let told = format!("its alignment is {:?}", Value::Unsigned(alignment.into()));
        let is_refused = problem.is_err_and(|problem| problem.contains(&told));
        assert_eq!(is_refused, !is_taken, "{alignment}");
    }
}

/// The last byte of the tensor that ends last must be there, whichever place it has in the list.
#[test]
fn every_tensor_is_within_the_file() {
    for offsets in [[0, 64, 128], [128, 64, 0], [0, 128, 64]] {
        let header = with_tensors(&[], &offsets);
        let whole = header.len().next_multiple_of(32) + 128 + 8 * 4;
        for (length, is_whole) in [(whole, true), (whole - 1, false), (whole - 60, false)] {
            let mut bytes = header.clone();
            bytes.resize(length, 0);
            let is_cut_off = matches!(read(&bytes), Err(GgufProblem::DataCutOff { .. }));
            assert_eq!(is_cut_off, !is_whole, "{offsets:?}, {length} of {whole}");
        }
    }
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
