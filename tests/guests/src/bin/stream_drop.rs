//! Promise: dropping a generation frees its context at once, any number of times.

use mynah_test_guests::{Done, context, ensure, greedy, prompt, run, start};

fn main() -> Done {
    let context = context()?;
    for round in 0..20 {
        let generation = start(&context, &prompt(), greedy(100_000))?;
        let events = generation.next()?;
        ensure!(!events.is_empty(), "round {round}: nothing came");
    }
    run(&context, &prompt(), greedy(8))?.print();
    Ok(())
}
