//! Each type of value, and each limit of the reader at its bound and beyond.

use super::*;

/// A file with these keys and a tensor.
fn whole(keys: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = with_tensors(keys, &[0]);
    bytes.resize(bytes.len().next_multiple_of(32) + 32, 0);
    bytes
}

#[test]
fn every_type_of_value_is_read() {
    let of = |ty: u32, bytes: &[u8]| [&ty.to_le_bytes()[..], bytes].concat();
    let list = |ty: u32, length: u64, bytes: &[u8]| {
        [
            &9u32.to_le_bytes()[..],
            &ty.to_le_bytes(),
            &length.to_le_bytes(),
            bytes,
        ]
        .concat()
    };
    let words = [text("a"), text("bc")].concat();
    let values = [
        (of(0, &[255]), Value::Unsigned(255)),
        (of(1, &[255]), Value::Signed(-1)),
        (of(2, &[1, 2]), Value::Unsigned(0x201)),
        (of(3, &[254, 255]), Value::Signed(-2)),
        (of(4, &[1, 0, 0, 128]), Value::Unsigned(0x8000_0001)),
        (of(5, &[253, 255, 255, 255]), Value::Signed(-3)),
        (of(6, &1.5f32.to_le_bytes()), Value::Float(1.5)),
        (of(7, &[0]), Value::Bool(false)),
        (of(7, &[2]), Value::Bool(true)),
        (of(8, &text("hi")), Value::String("hi".to_owned())),
        (of(10, &u64::MAX.to_le_bytes()), Value::Unsigned(u64::MAX)),
        (of(11, &(-4i64).to_le_bytes()), Value::Signed(-4)),
        (of(12, &2.5f64.to_le_bytes()), Value::Float(2.5)),
        // Arrays are skipped, whatever their elements.
        (list(0, 3, &[0; 3]), Value::Array(3)),
        (list(2, 3, &[0; 6]), Value::Array(3)),
        (list(6, 3, &[0; 12]), Value::Array(3)),
        (list(7, 3, &[0; 3]), Value::Array(3)),
        (list(8, 2, &words), Value::Array(2)),
        (list(12, 3, &[0; 24]), Value::Array(3)),
    ];
    // Such arrays are longer than those that are kept.
    let long = [
        (0, 1),
        (1, 1),
        (2, 2),
        (3, 2),
        (4, 4),
        (5, 4),
        (10, 8),
        (11, 8),
    ];
    let long = long.map(|(ty, size)| (list(ty, 513, &vec![7; 513 * size]), Value::Array(513)));
    for (value, expected) in values.into_iter().chain(long) {
        // The key after it is found where it ends.
        let after = ("after".to_owned(), Value::Bool(true));
        let bytes = whole(&[("key", value.clone()), ("after", of(7, &[1]))]);
        let header = read(&bytes).unwrap();
        let metadata = BTreeMap::from([("key".to_owned(), expected), after]);
        assert_eq!(
            header.metadata,
            metadata,
            "{:?}",
            &value[..9.min(value.len())]
        );
    }
    for (value, words) in [
        (of(13, &[0; 8]), "the unknown type 13"),
        (list(13, 1, &[0; 8]), "elements of the unknown type 13"),
        (list(12, u64::MAX, &[0; 8]), "has no end"),
    ] {
        let problem = read(&whole(&[("key", value)])).unwrap_err().to_string();
        assert!(problem.contains(words), "{problem}");
    }
}

#[test]
fn lists_of_whole_numbers_are_kept_up_to_their_bound() {
    let list = |ty: u32, length: u64, bytes: Vec<u8>| {
        let begin = [9u32.to_le_bytes(), ty.to_le_bytes()].concat();
        let value = [begin, length.to_le_bytes().to_vec(), bytes].concat();
        read_contents(&whole(&[("key", value)]))
            .unwrap()
            .lists
            .remove("key")
    };
    let numbers = |numbers: &[i64], size: usize| {
        numbers
            .iter()
            .flat_map(|number| number.to_le_bytes()[..size].to_vec())
            .collect()
    };
    for (ty, size, least) in [(1, 1, -1), (3, 2, -1), (5, 4, -1), (11, 8, -1), (10, 8, 0)] {
        let kept = list(ty, 2, numbers(&[least, 100], size));
        assert_eq!(kept, Some(vec![least, 100]), "{ty}");
    }
    for (ty, size, most) in [(0, 1, 0xFF), (2, 2, 0xFFFF), (4, 4, 0xFFFF_FFFF)] {
        assert_eq!(list(ty, 1, numbers(&[-1], size)), Some(vec![most]), "{ty}");
    }
    // What is greater than any number that a check knows is the greatest.
    assert_eq!(list(10, 1, numbers(&[-1], 8)), Some(vec![i64::MAX]));
    assert_eq!(
        list(4, 512, vec![0; 2048]).map(|list| list.len()),
        Some(512)
    );
    assert_eq!(list(4, 513, vec![0; 2052]), None);
    assert_eq!(list(6, 1, vec![0; 4]), None);
}

#[test]
fn counts_and_lengths_are_possible_up_to_their_bound() {
    let with = |at: usize, number: u64| {
        let mut bytes = whole(&[]);
        bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
        read(&bytes).unwrap_err().to_string()
    };
    for (at, most, what) in [(8, MAX_TENSORS, "tensors"), (16, MAX_KEYS, "metadata keys")] {
        let said = |count: u64| format!("it says that it has {count} {what}");
        let problem = with(at, most);
        assert!(!problem.contains(&said(most)), "{problem}");
        let problem = with(at, most + 1);
        assert!(problem.contains(&said(most + 1)), "{problem}");
    }
    let named = |length| {
        let mut bytes = testing::with_tensors(&[], &[(&"n".repeat(length), 0)]);
        bytes.resize(bytes.len().next_multiple_of(32) + 32, 0);
        read(&bytes)
    };
    named(63).unwrap();
    assert!(
        named(64)
            .unwrap_err()
            .to_string()
            .contains("64 bytes, 63 are possible")
    );
    let vocabulary = |length: u64| {
        let value = [9u32.to_le_bytes(), 8u32.to_le_bytes()].concat();
        let value = [value, length.to_le_bytes().to_vec()].concat();
        read(&with_keys(&[(TOKENS, value)]))
            .unwrap_err()
            .to_string()
    };
    assert!(!vocabulary(MAX_TOKENS).contains("are possible"));
    assert!(vocabulary(MAX_TOKENS + 1).contains("are possible"));
}

#[test]
fn a_text_is_kept_up_to_its_bound_and_a_longer_one_by_its_length() {
    let most = usize::try_from(MAX_TEXT).unwrap();
    let of = |length| {
        let header = read(&whole(&[("key", text_value(length))])).unwrap();
        header.metadata["key"].clone()
    };
    assert_eq!(of(most), Value::String("x".repeat(most)));
    assert_eq!(of(most + 1), Value::LongText(MAX_TEXT + 1));
}

#[test]
fn all_texts_together_are_read_up_to_their_bound() {
    let mut reader = Reader::new(std::io::Cursor::new(b"abc"), 3);
    reader.text_bytes = MAX_ALL_TEXT - 2;
    assert_eq!(reader.text_bytes("it", 2, 9).unwrap(), b"ab");
    let problem = reader.text_bytes("it", 1, 9).unwrap_err().to_string();
    assert!(problem.contains("bytes together"), "{problem}");
}

/// A file with a tensor of this type and these dimensions, whose data has this length.
fn with_tensor(ty: u32, dimensions: &[u64], data: usize) -> Result<GgufHeader> {
    let mut bytes = testing::with_keys(&[], 1);
    bytes.extend([text("w"), (dimensions.len() as u32).to_le_bytes().to_vec()].concat());
    bytes.extend(
        dimensions
            .iter()
            .flat_map(|dimension| dimension.to_le_bytes()),
    );
    bytes.extend([&ty.to_le_bytes()[..], &[0; 8]].concat());
    bytes.resize(bytes.len().next_multiple_of(32) + data, 0);
    read(&bytes)
}

#[test]
fn dimensions_and_types_are_possible_ones() {
    let q4_0 = 2;
    let tensor = with_tensor(q4_0, &[32, 1, 3, 1], 54)
        .unwrap()
        .tensors
        .remove(0);
    assert_eq!((tensor.elements, tensor.bytes), (96, 54));
    assert_eq!(tensor.dimensions, [32, 1, 3, 1]);
    let most = i64::MAX.cast_unsigned();
    for (ty, dimensions, words) in [
        (0, &[][..], "has 0 dimensions"),
        (0, &[1, 1, 1, 1, 1], "has 5 dimensions"),
        (0, &[0], "impossible dimensions"),
        (0, &[most + 1], "impossible dimensions"),
        (0, &[u64::MAX, 2], "impossible dimensions"),
        (0, &[most], "has no end"),
        (24, &[most], "its tensors need"),
        (4, &[32], "the type 4"),
        (q4_0, &[16, 2], "rows of 16 weights"),
        (q4_0, &[33], "rows of 33 weights"),
    ] {
        let problem = with_tensor(ty, dimensions, 64).unwrap_err().to_string();
        assert!(problem.contains(words), "{dimensions:?}: {problem}");
    }
}

#[test]
fn a_tensor_begins_at_a_multiple_of_the_alignment() {
    let of = |alignment: u32, offset| {
        let value = [4u32.to_le_bytes(), alignment.to_le_bytes()].concat();
        let mut bytes = with_tensors(&[("general.alignment", value)], &[offset]);
        bytes.resize(bytes.len() + 8192, 0);
        read(&bytes)
    };
    of(32, 96).unwrap();
    of(64, 128).unwrap();
    for (alignment, offset) in [(32, 8), (64, 32), (64, 96)] {
        let problem = of(alignment, offset).unwrap_err().to_string();
        assert!(problem.contains("not at a multiple of"), "{problem}");
    }
    let last = u64::MAX - 31;
    assert!(of(32, last).unwrap_err().to_string().contains("has no end"));
    assert!(
        of(32, last - 32)
            .unwrap_err()
            .to_string()
            .contains("have no end")
    );
}

#[test]
fn both_versions_and_no_other_are_read() {
    for version in [2u32, 3] {
        let mut bytes = sample();
        bytes[4..8].copy_from_slice(&version.to_le_bytes());
        assert_eq!(read(&bytes).unwrap().version, version);
    }
    for version in [0u32, 1, 4] {
        let mut bytes = sample();
        bytes[4..8].copy_from_slice(&version.to_le_bytes());
        assert!(
            matches!(read(&bytes), Err(GgufProblem::Version { .. })),
            "{version}"
        );
    }
}

#[test]
fn a_key_that_is_there_twice_and_a_file_without_tensors_are_refused() {
    let flag = || [&7u32.to_le_bytes()[..], &[1]].concat();
    let problem = read(&whole(&[("a", flag()), ("a", flag())]))
        .unwrap_err()
        .to_string();
    assert!(problem.contains("`a` is there twice"), "{problem}");
    let mut none = with_tensors(&[("a", flag())], &[]);
    none.resize(none.len().next_multiple_of(32), 0);
    let problem = read(&none).unwrap_err().to_string();
    assert!(problem.contains("no tensors"), "{problem}");
}

#[test]
fn keys_of_parts_have_the_type_that_ggml_asserts() {
    let wide = [4u32.to_le_bytes(), 1u32.to_le_bytes()].concat();
    let short = [&2u32.to_le_bytes()[..], &1u16.to_le_bytes()].concat();
    for key in ["split.no", "split.count"] {
        read(&whole(&[(key, short.clone())])).unwrap();
        let problem = read(&whole(&[(key, wide.clone())]))
            .unwrap_err()
            .to_string();
        assert!(problem.contains("has the type 4"), "{problem}");
    }
    read(&whole(&[("split.other", wide)])).unwrap();
}

#[test]
fn the_types_of_tokens_and_the_table_of_a_tokenizer_are_read() {
    let list = |ty: u32, length: u64, bytes: &[u8]| {
        [
            &9u32.to_le_bytes()[..],
            &ty.to_le_bytes(),
            &length.to_le_bytes(),
            bytes,
        ]
        .concat()
    };
    let of = |key: &str, value| read_contents(&whole(&[(key, value)])).unwrap().vocabulary;
    for (types, has_byte) in [([1u32, 6, 1], true), ([1, 5, 7], false)] {
        let types: Vec<u8> = types.iter().flat_map(|ty| ty.to_le_bytes()).collect();
        assert_eq!(of(TYPES, list(5, 3, &types)).has_byte_type, has_byte);
    }
    for ty in [0, 1] {
        assert_eq!(of(CHARSMAP, list(ty, 3, b"abc")).charsmap, b"abc");
    }
    assert!(of("another", list(0, 3, b"abc")).charsmap.is_empty());
}

#[test]
fn what_is_no_regular_file_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let problem = |path: &Path| GgufHeader::read(path).unwrap_err().problem;
    assert!(matches!(problem(folder.path()), GgufProblem::Folder));
    assert!(matches!(
        problem(&folder.path().join("none")),
        GgufProblem::Io(_)
    ));
    #[cfg(unix)]
    assert!(matches!(
        problem(Path::new("/dev/null")),
        GgufProblem::NotAFile
    ));
}
