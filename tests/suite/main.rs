//! The integration suite: guests and the engine, on the real model where text matters, and on a
//! tiny one for mechanics.
//!
//! Each subject has a folder, and `support` has shared code. Each prefix of the guests belongs to
//! one module. A guest of that prefix without a test there is a compile error.

#![forbid(unsafe_code)]
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

/// Fails to compile unless a test with this name is in scope.
macro_rules! assert_test_exists {
    ($name:ident) => {
        #[expect(unused_imports, reason = "only that it exists matters")]
        use self::$name as _;
    };
}
pub(crate) use assert_test_exists;
