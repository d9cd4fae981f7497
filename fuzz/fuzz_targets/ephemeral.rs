//! Hostile core modules, into `wasi_ephemeral_nn`: scripts of its calls over a real memory.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mynah_tests::hostile::ephemeral(bytes));
