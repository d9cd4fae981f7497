//! Answers each line of stdin with a line until stdin ends, as a program for a terminal does.

#[path = "shared.rs"]
#[expect(dead_code, reason = "not all guests use all of it")]
mod shared;

fn main() {
    let settings = std::env::args().nth(1).expect("give settings");
    let graph = shared::load(&settings).expect("the model is granted");
    let mut context = graph.init_execution_context().expect("a context");
    for line in std::io::stdin().lines() {
        let text = shared::answer(&mut context, &line.expect("text")).expect("an answer");
        println!("{}", text.replace('\n', " "));
    }
}
