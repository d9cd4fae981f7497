//! What makes a form safe to be given to llguidance, fed with texts that a fuzzer makes. llguidance
//! itself takes no part: what it panics on is caught and told as an error.

use super::{gbnf, lark, limits, schema};

/// Reads the text as a GBNF grammar, a Lark grammar and a JSON Schema; what is wrong with it is
/// told.
pub(crate) fn read(text: &str) {
    let told = |reason: String| assert!(!reason.is_empty());
    let read = || {
        // Some names are tokens.
        let token = |name: &str| u32::try_from(name.len()).ok().filter(|id| id % 2 == 0);
        match gbnf::to_lark(text, &token) {
            Ok(lark) => assert!(lark.contains("start"), "no rule to begin with: {lark}"),
            Err(mistake) => told(mistake.to_string()),
        }
        let _ = lark::check(text).map_err(told);
        let _ = schema::read(text).map_err(told);
    };
    // On the stack that forms are read on: they nest.
    let ended = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(limits::STACK_BYTES);
        thread.spawn_scoped(scope, read).map(|thread| thread.join())
    });
    assert!(matches!(ended, Ok(Ok(()))), "{ended:?}");
}
