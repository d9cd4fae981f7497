//! Promise: a guest that traps ends with the trap, and takes nobody with it.

fn main() {
    println!("before the trap");
    panic!("this guest panics");
}
