//! Fuzzes `wasi_ephemeral_nn` with scripts of calls over a real memory, as a hostile core module
//! would make them.

#![forbid(unsafe_code)]
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mynah_tests::hostile::ephemeral(bytes));
