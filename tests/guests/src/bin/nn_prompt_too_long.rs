//! Promise: a prompt that does not fit the context is refused, and the context still works
//! afterwards.
//!
//! Argument: number of words in the prompt.

use mynah_test_guests::{Done, PROMPT, arg, compute, context, refused};

fn main() -> Done {
    let context = context()?;
    let prompt = "word ".repeat(arg(1, 100_000));
    refused("prompt", &["too-large"], compute(&context, &prompt))?;
    compute(&context, PROMPT)?;
    println!("ok");
    Ok(())
}
