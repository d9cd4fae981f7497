//! The rules for error messages, for the tests of every crate that has errors.

use std::fmt;

/// Lists errors, each with the parts that its message must contain: numbers and names of the
/// request and the state, then the advice. The list does not compile if it lacks a variant of the
/// type.
#[macro_export]
macro_rules! error_messages {
    ($type:ty: $(
        $variant:pat => $sample:expr, says [$($says:literal),*], advises $advice:literal;
    )*) => {{
        fn is_listed(error: &$type) {
            match error {
                $($variant => (),)*
            }
        }
        let all = vec![$(($sample, vec![$($says),*], $advice)),*];
        for (error, ..) in &all {
            is_listed(error);
        }
        // Each sample is one of its own variant.
        $(assert!(matches!(&$sample, $variant), "{}", $sample);)*
        all
    }};
}
pub use error_messages;

/// Checks the messages of such a list: what they contain, that the advice is a clause of its own at
/// the end, and that they are one line.
///
/// # Panics
///
/// A message breaks a rule. The panic has the message.
#[expect(clippy::panic, reason = "test code, outside a #[test]")]
pub fn check_messages<E: fmt::Display>(all: Vec<(E, Vec<&str>, &str)>) {
    for (error, says, advice) in all {
        let text = error.to_string();
        for words in says {
            assert!(text.contains(words), "`{words}` in: {text}");
        }
        let Some((said, advised)) = text.split_once(advice) else {
            panic!("`{advice}` in: {text}");
        };
        let before = said.trim_end();
        assert!(
            before.ends_with([':', '.', ',', ';']),
            "a clause of its own: {text}"
        );
        assert!(!text.contains('\n') && !text.contains("  "), "{text}");
        assert!(
            !advised.ends_with('.'),
            "without a full stop at the end: {text}"
        );
    }
}
