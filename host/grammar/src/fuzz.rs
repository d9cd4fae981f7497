//! The door of the fuzz target `form`. No part of the API.
//!
//! It feeds what makes a form safe to be given to llguidance with texts that a fuzzer makes.
//! llguidance itself takes no part: a panic of it is caught and becomes an error. The test here runs
//! the seeds that the target begins with, so that a finding stays fixed.

use super::{gbnf, lark, limits, schema};

/// Reads the text as a GBNF grammar, a Lark grammar and a JSON Schema. Each is made harmless, or
/// refused with a reason.
pub fn form(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let has_reason = |reason: String| assert!(!reason.is_empty());
    let read = || {
        // Some names are tokens.
        let token = |name: &str| u32::try_from(name.len()).ok().filter(|id| id % 2 == 0);
        match gbnf::to_lark(&text, &token) {
            Ok(lark) => assert!(lark.contains("start"), "no rule to begin with: {lark}"),
            Err(mistake) => has_reason(mistake.to_string()),
        }
        let _ = lark::check(&text).map_err(has_reason);
        let _ = schema::read(&text).map_err(has_reason);
    };
    // On the stack that forms are read on: they nest.
    let ended = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(limits::STACK_BYTES);
        thread.spawn_scoped(scope, read).map(|thread| thread.join())
    });
    assert!(matches!(ended, Ok(Ok(()))), "{ended:?}");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_seeds_of_form_keep_its_promises() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/form");
        let mut count = 0;
        for seed in std::fs::read_dir(folder).unwrap() {
            form(&std::fs::read(seed.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "form has no seeds");
    }
}
