//! Promise: a prompt that the context can't hold is refused, and the context still works
//! afterwards.
//!
//! Argument: words of the prompt.

use mynah_test_guests::{Done, PROMPT, arg, compute, context, refused};

fn main() -> Done {
    let context = context()?;
    let prompt = "word ".repeat(arg(1, 100_000));
    refused("prompt", &["too-large"], compute(&context, &prompt))?;
    compute(&context, PROMPT)?;
    println!("ok");
    Ok(())
}
