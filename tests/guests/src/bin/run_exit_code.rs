//! Promise: a guest's exit code is the command's. Argument: the code.
//!
//! Through `exit-with-code`, which Rust's own `std::process::exit` doesn't use: that one gives 1
//! for every failure.

use mynah_test_guests::{arg, exit_with_code};

fn main() {
    exit_with_code(arg(1, 42));
}
