//! Fuzzes the reader of settings documents, in all dialects.

#![forbid(unsafe_code)]
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mynah_settings::fuzz::dialect(bytes));
