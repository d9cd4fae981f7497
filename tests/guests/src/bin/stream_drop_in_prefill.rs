//! Promise: a generation that is dropped during its prefill does not delay the next one.
//!
//! Argument: number of words of its prompt.

use mynah_test_guests::{Done, PROMPT, arg, context, greedy, run, start};

fn main() -> Done {
    let context = context()?;
    let prompt = "word ".repeat(arg(1, 1500));
    drop(start(&context, &prompt, greedy(8))?);
    run(&context, PROMPT, greedy(8))?.print();
    Ok(())
}
