//! Promise: a model larger than the operator allows is refused with `too-large`, not with a trap.
//!
//! Argument: the model's size in MiB.

use mynah_guest::Model;
use mynah_test_guests::{Done, arg, refused};

fn main() -> Done {
    let bytes = vec![0u8; arg::<usize>(1, 200) << 20];
    refused("load", &["too-large"], Model::from_bytes(bytes))?;
    Ok(())
}
