//! Fuzzes what finds the format of calls in templates, and what reads answers in it.

#![forbid(unsafe_code)]
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mynah_chat::fuzz::tools(bytes));
