//! Doors for the fuzz targets of `fuzz/`: bytes that somebody else writes, into the code that reads them. No part of the API.
//!
//! Each panics where a promise is broken, and does nothing else.

use crate::model::fuzz_template;

/// A chat template of a model file, with a guest's conversation, as one text with U+001E between the parts: it makes a prompt
/// that isn't too long, or tells what is wrong.
pub fn template(bytes: &[u8]) {
    fuzz_template(&String::from_utf8_lossy(bytes));
}
