//! Fuzzes the reader of model file headers.

#![forbid(unsafe_code)]
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mynah_gguf::fuzz::header(bytes));
