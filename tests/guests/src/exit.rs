//! Exits with a code. Rust's `std::process::exit` gives 1 for every failure.

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

/// Ends the guest with this exit code.
pub fn exit_with_code(code: u8) {
    wasi::cli::exit::exit_with_code(code);
}
