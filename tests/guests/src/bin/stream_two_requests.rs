//! Promise: one context can serve requests one after the other, each with its whole answer. Prints
//! the number of tokens.
//!
//! Arguments: the prompt, the number of tokens of each answer.

use mynah_guest::FinishReason;
use mynah_test_guests::{Done, arg, context, ensure, greedy, prompt, run};

fn main() -> Done {
    let context = context()?;
    let mut tokens = 0;
    for _ in 0..2 {
        let answer = run(&context, &prompt(), greedy(arg(2, 8)))?;
        let reason = answer.reason();
        ensure!(
            reason == Some(FinishReason::MaxTokens)
                || reason == Some(FinishReason::EndOfGeneration),
            "{answer:?}"
        );
        tokens += answer.tokens().unwrap_or_default();
    }
    println!("{tokens}");
    Ok(())
}
