//! Promise: `next` returns the text of a generation, then its end with reason and usage.

use mynah_test_guests::{Done, arg, context, ensure, greedy, prompt, read, start};

fn main() -> Done {
    let context = context()?;
    let generation = start(&context, &prompt(), greedy(arg(2, 32)))?;
    let answer = read(&generation)?;
    answer.print();
    ensure!(answer.outcome.is_some(), "the end did not come");
    ensure!(generation.next()?.is_empty(), "something followed the end");
    Ok(())
}
