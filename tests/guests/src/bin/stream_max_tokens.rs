//! Promise: an answer has exactly the requested number of tokens, and the reason says so.

use mynah_guest::FinishReason;
use mynah_test_guests::{Done, context, ensure, greedy, prompt, run};

fn main() -> Done {
    let context = context()?;
    for tokens in [1, 5] {
        let answer = run(&context, &prompt(), greedy(tokens))?;
        ensure!(
            answer.tokens() == Some(tokens) && answer.reason() == Some(FinishReason::MaxTokens),
            "asked for {tokens}: {answer:?}"
        );
        answer.print();
    }
    Ok(())
}
