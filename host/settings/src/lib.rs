//! Every setting, declared once: its name, range, default, help, and where it applies.

#![forbid(unsafe_code)]
