//! Output forms: JSON Schema, regular expressions, Lark and GBNF. Pure.

#![forbid(unsafe_code)]
