//! Promise: a guest that grows beyond its memory limit is stopped, with a message about the limit.
//!
//! Argument: MiB to allocate and touch.

use mynah_test_guests::arg;

const PAGE: usize = 64 << 10;

fn main() {
    let blocks: Vec<Vec<u8>> = (0..arg(1, 64))
        .map(|_| {
            let mut block = vec![0u8; 1 << 20];
            // Untouched pages may not be allocated.
            block.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
            block
        })
        .collect();
    println!("grown={}", std::hint::black_box(&blocks).len());
}
