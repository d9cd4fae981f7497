//! Promise: bytes that are not a GGUF model are refused with an error, and the host continues.

use mynah_guest::Model;
use mynah_test_guests::{Done, refused};

fn main() -> Done {
    // xorshift, for the same garbage in every run.
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    let noise: Vec<u8> = (0..4096).map(&mut random).collect();
    let head = |version: u32, tensors: u64, pairs: u64| {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(version.to_le_bytes());
        bytes.extend(tensors.to_le_bytes());
        bytes.extend(pairs.to_le_bytes());
        bytes
    };
    let cases = [
        ("empty", Vec::new()),
        ("one byte", b"G".to_vec()),
        ("random", noise.clone()),
        ("magic only", b"GGUF".to_vec()),
        ("version only", b"GGUF\x03\0\0\0".to_vec()),
        ("header only", head(3, 0, 0)),
        ("unknown version", head(99, 0, 0)),
        ("pairs missing", head(3, 0, 5)),
        ("endless counts", head(3, u64::MAX, u64::MAX)),
        ("header and noise", [head(3, 4, 4), noise].concat()),
    ];
    for (case, bytes) in cases {
        refused(case, &["invalid-encoding"], Model::from_bytes(bytes))?;
    }
    Ok(())
}
