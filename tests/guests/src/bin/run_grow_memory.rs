//! Promise: a guest that grows past its memory is stopped, with a message that says so.
//!
//! Argument: MiB to allocate and touch.

use mynah_test_guests::arg;

const PAGE: usize = 64 << 10;

fn main() {
    let blocks: Vec<Vec<u8>> = (0..arg(1, 64))
        .map(|_| {
            let mut block = vec![0u8; 1 << 20];
            // Memory that nobody touches may not be there.
            block.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
            block
        })
        .collect();
    println!("grown={}", std::hint::black_box(&blocks).len());
}
