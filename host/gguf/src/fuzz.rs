//! The door of the fuzz target `gguf`: a model file that somebody else wrote. No part of the API.
//!
//! It panics where a promise is broken, and does nothing else. The test here runs the seeds that
//! the target begins with, so that a finding stays fixed.

use super::reader::read_bytes;

/// A model file: its header is read, or refused with a reason.
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
}
