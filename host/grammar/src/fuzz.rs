//! Entry point of the fuzz target `form`. Not a part of the API.
//!
//! It runs the checks before llguidance on texts from the fuzzer. llguidance itself does not run:
//! its panics are caught and become errors. The test here runs the seeds of the fuzz target, so
//! that a finding stays fixed.

use super::{gbnf, lark, limits, schema};

/// Reads the text as a GBNF grammar, a Lark grammar and a JSON Schema. Each must be translated, or
/// refused with a reason.
pub fn form(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let has_reason = |reason: String| assert!(!reason.is_empty());
    let read = || {
        match gbnf::to_lark(&text, &Lengths) {
            Ok(read) => assert!(
                read.lark.contains("start"),
                "no rule to begin with: {read:?}"
            ),
            Err(mistake) => has_reason(mistake.to_string()),
        }
        let _ = lark::read(&text).map_err(has_reason);
        let compiled = schema::read(&text).and_then(|schema| schema::compile(&schema));
        let _ = compiled.map(drop).map_err(has_reason);
    };
    // On a stack of the size used for reading forms, because forms nest.
    let ended = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(limits::STACK_BYTES);
        thread.spawn_scoped(scope, read).map(|thread| thread.join())
    });
    assert!(matches!(ended, Ok(Ok(()))), "{ended:?}");
}

/// 200 tokens. The names of even length are tokens, one of which ends an answer.
struct Lengths;

impl gbnf::Tokens for Lengths {
    fn count(&self) -> u32 {
        200
    }

    fn find(&self, name: &str) -> Option<u32> {
        u32::try_from(name.len()).ok().filter(|id| id % 2 == 0)
    }

    fn is_end(&self, id: u32) -> bool {
        id == 6
    }

    fn is_usable(&self, id: u32) -> bool {
        id < 200 && !id.is_multiple_of(10)
    }

    fn text(&self, id: u32) -> Vec<u8> {
        vec![b'a'; id as usize % 3]
    }
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
