//! Promise: a guest that traps ends with the trap and affects no other.

fn main() {
    println!("before the trap");
    panic!("this guest panics");
}
