//! Promise: a guest's exit code is the command's. Argument: the code.
//!
//! Through `exit-with-code`, which Rust's own `std::process::exit` doesn't use: that one gives 1 for every failure.

wit_bindgen::generate!({
    inline: "
        package wasi:cli@0.2.12;
        interface exit {
            exit: func(status: result);
            exit-with-code: func(status-code: u8);
        }
        world exiting { import exit; }
    ",
});

fn main() {
    wasi::cli::exit::exit_with_code(mynah_test_guests::arg(1, 42));
}
