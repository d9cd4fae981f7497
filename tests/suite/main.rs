//! The integration suite: guests and the engine, on the real model where text matters and on a tiny
//! one where mechanics do.
//!
//! A folder for each subject, and `support` for what they share. Each prefix of the guests belongs
//! to one module, which names every guest of that prefix, else it doesn't compile.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking; clippy.toml reaches only into `#[test]` functions"
)]

mod cli;
mod contract;
mod core_modules;
mod documents;
mod engine;
mod operations;
mod support;

/// Fails to compile unless a test of that name is in scope.
macro_rules! assert_test_exists {
    ($name:ident) => {
        #[expect(unused_imports, reason = "only that it exists matters")]
        use self::$name as _;
    };
}
pub(crate) use assert_test_exists;
