//! Hostile model files, into the reader of their headers.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mynah_engine::fuzz::gguf(bytes));
