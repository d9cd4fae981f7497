//! Doors for the fuzz targets of `fuzz/`: bytes that somebody else writes, into the code that reads
//! them. No part of the API.
//!
//! Each panics where a promise is broken, and does nothing else. The tests here run the seeds that
//! the targets begin with, so what once was found stays fixed.

use crate::model::fuzz_template;

/// A chat template of a model file, with a guest's conversation, as one text with U+001E between
/// the parts: it makes a prompt that isn't too long, or tells what is wrong.
pub fn template(bytes: &[u8]) {
    fuzz_template(&String::from_utf8_lossy(bytes));
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Runs all seeds of a target.
    fn replay(target: &str, run: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
        let mut count = 0;
        for seed in std::fs::read_dir(folder.join(target)).unwrap() {
            run(&std::fs::read(seed.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "{target} has no seeds");
    }

    #[test]
    fn the_seeds_of_template_keep_its_promises() {
        replay("template", template);
    }
}
