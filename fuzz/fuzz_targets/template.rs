//! Hostile chat templates and conversations, into the renderer.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mynah_engine::fuzz::template(bytes));
