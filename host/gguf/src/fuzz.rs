//! The entry point of the fuzz target `gguf`, which reads model files. Not part of the API.
//!
//! It panics if a promise is broken. The test here runs the seeds of the target, so that a fixed
//! finding stays fixed.

use super::reader::read_bytes;

/// Reads the header of a model file. An error must have a reason.
pub fn header(bytes: &[u8]) {
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
