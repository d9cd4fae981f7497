//! Promise: instances of one component are isolated, and each gets its number.
//!
//! Arguments: one for each instance: `trap`, `loop`, or its exit code.

use mynah_test_guests::{arg, exit_with_code};

fn main() {
    let number: usize = std::env::var("MYNAH_INSTANCE")
        .expect("there are several")
        .parse()
        .expect("it is a number");
    let act: String = arg(1 + number, String::new());
    match act.as_str() {
        "trap" => panic!("instance {number} panics"),
        "loop" => loop {
            std::hint::black_box(());
        },
        code => {
            println!("done");
            let code = code.parse().expect("it is a code");
            exit_with_code(code);
        }
    }
}
