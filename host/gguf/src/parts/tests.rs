//! Models whose files belong together, and such whose files do not.

use std::path::PathBuf;

use super::*;
use crate::testing::{text, with_tensors};

/// A file of a model.
#[derive(Clone)]
struct File {
    name: &'static str,
    keys: Vec<(&'static str, Vec<u8>)>,
    tensors: Vec<&'static str>,
}

fn small(number: u16) -> Vec<u8> {
    [&2u32.to_le_bytes()[..], &number.to_le_bytes()].concat()
}

fn signed(number: i32) -> Vec<u8> {
    [5u32.to_le_bytes(), number.to_le_bytes()].concat()
}

fn words(words: &str) -> Vec<u8> {
    [8u32.to_le_bytes().to_vec(), text(words)].concat()
}

/// A model of four tensors in three files.
fn model() -> [File; 3] {
    let file = |number, name, tensors: &[&'static str]| File {
        name,
        keys: vec![("split.no", small(number)), ("split.count", small(3))],
        tensors: tensors.to_vec(),
    };
    let mut files = [
        file(0, "m-00001-of-00003.gguf", &["a"]),
        file(1, "m-00002-of-00003.gguf", &["b", "c"]),
        file(2, "m-00003-of-00003.gguf", &["d"]),
    ];
    files[0].keys.extend([
        ("general.architecture", words("llama")),
        ("split.tensors.count", signed(4)),
    ]);
    files
}

/// Writes the files into a folder, and reads the model whose first file is the one at `given`.
fn read_at(files: &[File], given: usize) -> (PathBuf, Result<GgufHeader, GgufProblem>) {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let places = (0..).step_by(32);
        let tensors: Vec<(&str, u64)> = file.tensors.iter().copied().zip(places).collect();
        let mut bytes = with_tensors(&file.keys, &tensors);
        bytes.resize(bytes.len().next_multiple_of(32) + 32 * tensors.len(), 0);
        std::fs::write(folder.path().join(file.name), bytes).unwrap();
    }
    let path = folder.path().join(files[given].name);
    (
        folder.path().to_owned(),
        GgufHeader::read(&path).map_err(|error| error.problem),
    )
}

fn refusal(files: &[File]) -> String {
    read_at(files, 0).1.unwrap_err().to_string()
}

#[test]
fn the_parts_of_a_model_are_one() {
    let files = model();
    let (folder, whole) = read_at(&files, 0);
    let whole = whole.unwrap();
    let names = whole.tensors.iter().map(|tensor| tensor.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    let parts = whole.files(&folder.join(files[0].name));
    let told = parts
        .iter()
        .map(|part| (part.path.clone(), part.weight_bytes));
    let wanted = files.iter().map(|file| folder.join(file.name));
    assert_eq!(
        told.collect::<Vec<_>>(),
        wanted.zip([32, 64, 32]).collect::<Vec<_>>()
    );
    let sizes = parts.iter().map(|part| part.file_bytes);
    assert_eq!(sizes.sum::<u64>(), whole.file_bytes);
    assert_eq!(whole.weight_bytes(), 128);
}

#[test]
fn a_model_of_one_part_needs_no_name_and_no_number() {
    for count in [0, 1] {
        let mut files = model();
        files[0].name = "whole.gguf";
        files[0].keys = vec![("split.count", small(count))];
        let whole = read_at(&files, 0).1.unwrap();
        assert_eq!((whole.tensors.len(), whole.parts.len()), (1, 0));
    }
    let mut files = model();
    files[0].keys[1] = ("split.count", small(2));
    assert!(refusal(&files).contains("-of-00002.gguf"));
}

#[test]
fn a_later_part_names_the_first_one() {
    let (folder, problem) = read_at(&model(), 1);
    let Err(GgufProblem::LaterPart {
        number,
        count,
        first,
    }) = problem
    else {
        panic!("{problem:?}");
    };
    assert_eq!((number, count), (2, 3));
    assert_eq!(first, folder.join("m-00001-of-00003.gguf"));
}

#[test]
fn a_missing_part_is_named_with_its_number() {
    let mut files = model();
    files[2].name = "elsewhere.gguf";
    let (folder, problem) = read_at(&files, 0);
    let Err(GgufProblem::MissingPart {
        path,
        number,
        count,
    }) = problem
    else {
        panic!("{problem:?}");
    };
    assert_eq!(
        (path, number, count),
        (folder.join("m-00003-of-00003.gguf"), 3, 3)
    );
}

#[test]
fn a_part_that_cannot_be_read_is_named_with_the_reason() {
    let mut files = model();
    files[1].tensors = vec!["b", "b"];
    let refusal = refusal(&files);
    assert!(
        refusal.contains("m-00002-of-00003.gguf, which is a part"),
        "{refusal}"
    );
    assert!(refusal.contains("`b` is there twice"), "{refusal}");
}

#[test]
fn files_that_do_not_belong_together_are_refused_with_the_reason() {
    type Change = fn(&mut [File; 3]);
    let changes: [(Change, &str); 9] = [
        (
            |files| files[0].name = "m.gguf",
            "does not end in `-00001-of-00003.gguf`",
        ),
        // Nothing is left that the others could be named after.
        (
            |files| files[0].name = "-00001-of-00003.gguf",
            "does not end in",
        ),
        (
            |files| drop(files[0].keys.remove(0)),
            "does not say which one it is",
        ),
        (
            |files| drop(files[2].keys.remove(0)),
            "m-00003-of-00003.gguf does not say which",
        ),
        (
            |files| files[1].keys[0].1 = small(2),
            "says that it is number 3",
        ),
        (|files| files[1].keys[1].1 = small(4), "`split.count` of"),
        (
            |files| files[2].tensors = vec!["c"],
            "tensor `c` is in two of them",
        ),
        (
            |files| files[0].keys[3].1 = signed(5),
            "4 tensors, and `split.tensors.count` is",
        ),
        (
            |files| files[0].keys[3].1 = small(4),
            "4 tensors, and `split.tensors.count` is",
        ),
    ];
    for (change, words) in changes {
        let mut files = model();
        change(&mut files);
        let refusal = refusal(&files);
        assert!(refusal.contains(words), "{words}: {refusal}");
    }
}

#[test]
fn a_later_part_may_lack_what_the_first_says_but_not_differ() {
    let mut files = model();
    files[2].keys.push(("general.architecture", words("llama")));
    files[2].keys.remove(1);
    read_at(&files, 0).1.unwrap();
    files[2].keys[1].1 = words("gpt2");
    assert!(refusal(&files).contains("`general.architecture` of"));
}
