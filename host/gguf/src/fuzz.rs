//! The entry point of the fuzz target `gguf`, which reads model files. Not part of the API.
//!
//! It panics if a promise is broken. The test here runs the seeds of the target, so that a fixed
//! finding stays fixed.

use super::check::check;
use super::reader::{read_bytes, read_contents};
use super::{GgufHeader, Value};

/// Reads the header of a model file, and the same header with each of its keys changed. An error
/// must have a reason.
pub fn header(bytes: &[u8]) {
    changed_keys(bytes);
    match read_bytes(bytes) {
        Ok(header) => {
            let sizes = header.tensors.iter().map(|tensor| tensor.bytes);
            assert!(
                sizes.max().unwrap_or_default() <= header.file_bytes,
                "a tensor is longer than its file: {header:?}"
            );
            assert!(!header.file_type().is_empty());
        }
        Err(problem) => assert!(!problem.to_string().is_empty()),
    }
}

/// Checks a header with each key of its architecture missing, or with another value. A number of
/// the input is one of those values.
fn changed_keys(bytes: &[u8]) {
    let Ok(contents) = read_contents(bytes) else {
        return;
    };
    let (header, lists) = (contents.header, contents.lists);
    let Some(architecture) = header.architecture() else {
        return;
    };
    let begin = format!("{architecture}.");
    let keys = header.metadata.keys();
    let keys = keys.filter(|key| key.starts_with(&begin));
    let input = bytes.last_chunk().copied().map_or(7, u64::from_le_bytes);
    let check = |header: &GgufHeader, lists: &_| {
        if let Err(problem) = check(header, lists) {
            assert!(!problem.to_string().is_empty());
        }
    };
    for key in keys {
        let mut changed = header.clone();
        changed.metadata.remove(key);
        check(&changed, &lists);
        for value in [
            Value::Unsigned(0),
            Value::Unsigned(1),
            Value::Unsigned(input),
            Value::Unsigned(u64::MAX),
            Value::Signed(-1),
            Value::Float(f64::NAN),
            Value::Bool(false),
            Value::String(String::new()),
        ] {
            changed.metadata.insert(key.clone(), value);
            check(&changed, &lists);
        }
        for list in [
            vec![],
            vec![0, 1],
            vec![i64::MIN, i64::MAX, 0],
            vec![input.cast_signed(); 3],
        ] {
            let value = Value::Array(list.len() as u64);
            changed.metadata.insert(key.clone(), value);
            let mut lists = lists.clone();
            lists.insert(key.clone(), list);
            check(&changed, &lists);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::rules::NOT_SERVED;

    #[test]
    fn the_seeds_of_gguf_keep_its_promises() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/gguf");
        let mut count = 0;
        for seed in std::fs::read_dir(folder).unwrap() {
            header(&std::fs::read(seed.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "gguf has no seeds");
    }

    /// One seed for each architecture that llama.cpp knows: what its models have is not refused.
    #[test]
    fn every_architecture_has_a_seed_that_is_read_or_cannot_be_served() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/gguf");
        let mut count = 0;
        for seed in std::fs::read_dir(folder).unwrap() {
            let seed = seed.unwrap();
            let name = seed.file_name().into_string().unwrap();
            let Some(architecture) = name.strip_prefix("of-") else {
                continue;
            };
            let is_served = NOT_SERVED.iter().all(|(name, _)| *name != architecture);
            let read = read_bytes(&std::fs::read(seed.path()).unwrap());
            assert_eq!(read.is_ok(), is_served, "{architecture}: {read:?}");
            count += 1;
        }
        assert!(count > 150, "{count} architectures");
    }
}
