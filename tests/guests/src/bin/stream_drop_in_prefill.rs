//! Promise: a generation that is dropped in its prompt phase doesn't hold up the next one.
//!
//! Argument: words of its prompt.

use mynah_test_guests::{Done, PROMPT, arg, context, greedy, run, start};

fn main() -> Done {
    let context = context()?;
    let prompt = "word ".repeat(arg(1, 1500));
    drop(start(&context, &prompt, greedy(8))?);
    run(&context, PROMPT, greedy(8))?.print();
    Ok(())
}
