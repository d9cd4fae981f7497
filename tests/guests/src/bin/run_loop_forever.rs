//! Promise: a guest that loops for ever is ended at its time limit.
//!
//! Argument: what it prints before, instead of a whole line.

use std::io::Write;

use mynah_test_guests::arg;

fn main() {
    print!("{}", arg(1, "before the loop\n".to_owned()));
    // If stdout is closed, there is nobody to see it.
    let _ = std::io::stdout().flush();
    loop {
        std::hint::black_box(());
    }
}
