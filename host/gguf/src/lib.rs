//! Model files in the GGUF format: header, checks and sizes. Pure.

#![forbid(unsafe_code)]
