//! Promise: the command exits with the guest's exit code. Argument: the code.
//!
//! The guest uses `exit-with-code`, because Rust's `std::process::exit` gives 1 for every failure.

use mynah_test_guests::{arg, exit_with_code};

fn main() {
    exit_with_code(arg(1, 42));
}
