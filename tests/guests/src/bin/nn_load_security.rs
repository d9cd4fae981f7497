//! Promise: a guest cannot load its own model unless the operator allows it.

use mynah_guest::Model;
use mynah_test_guests::{Done, refused};

fn main() -> Done {
    refused("load", &["security"], Model::from_bytes(*b"GGUF\x03\0\0\0"))?;
    Ok(())
}
