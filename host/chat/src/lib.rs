//! Chat templates and control tokens. Pure.

#![forbid(unsafe_code)]
