//! Promise: a guest that loops for ever is ended when its time is over.

fn main() {
    println!("before the loop");
    loop {
        std::hint::black_box(());
    }
}
