//! Hostile documents with settings, into the reader of all dialects.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mynah_engine::fuzz::dialect(bytes));
