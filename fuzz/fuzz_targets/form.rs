//! Fuzzes the parsers of output forms: grammars and schemas.

#![forbid(unsafe_code)]
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mynah_grammar::fuzz::form(bytes));
