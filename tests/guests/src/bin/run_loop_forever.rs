//! Promise: a guest that loops for ever is ended at its time limit.

fn main() {
    println!("before the loop");
    loop {
        std::hint::black_box(());
    }
}
