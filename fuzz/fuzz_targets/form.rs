//! Hostile grammars and schemas, into what reads the form of an answer.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mynah_engine::fuzz::form(bytes));
