//! Entry point of the fuzz target `dialect` in `fuzz/`: it reads a document that another party
//! wrote. Not a part of the API.
//!
//! It panics if an invariant is violated. The test here runs the seeds of the fuzz target, so that
//! a finding stays fixed.

use crate::Reading;

/// Reads a document as JSON and as TOML, as a guest's and as an operator's. Accepted values must be
/// in range, and each problem must have a position in the document.
pub fn dialect(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.split('\n').count();
    for read in [Reading::json, |bytes: &[u8]| Reading::toml_with(bytes, &[])] {
        for problem in read(bytes).problems() {
            assert!(!problem.to_string().is_empty());
            let line = problem.place.map_or(1, |place| place.line);
            assert!(
                (1..=lines).contains(&(line as usize)),
                "line {line} of {lines}: {problem}"
            );
        }
        let mut is_accepted = false;
        if let Ok((settings, _)) = read(bytes).for_guest(false) {
            is_accepted = true;
            assert!(settings.check().is_ok(), "out of range: {settings:?}");
        }
        if let Ok((settings, warnings)) = read(bytes).for_guest(true) {
            assert!(is_accepted, "only the strict reader takes {settings:?}");
            assert!(warnings.is_empty(), "{warnings:?}");
        }
        if let Ok(document) = read(bytes).for_operator(false) {
            let settings = document.operator.settings;
            assert!(settings.check().is_ok(), "out of range: {settings:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_seeds_of_dialect_keep_its_promises() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/dialect");
        let mut count = 0;
        for seed in std::fs::read_dir(folder).unwrap() {
            dialect(&std::fs::read(seed.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "dialect has no seeds");
    }
}
