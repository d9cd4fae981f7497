//! Promise: a guest's exit code is the command's. Argument: the code.

fn main() {
    std::process::exit(mynah_test_guests::arg(1, 42));
}
