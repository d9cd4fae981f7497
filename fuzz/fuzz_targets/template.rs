//! Fuzzes the renderer of chat templates with templates and conversations.

#![forbid(unsafe_code)]
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mynah_chat::fuzz::template(bytes));
