//! Promise: an answer that fills the context ends as `context-full`, with its text.

use mynah_guest::FinishReason;
use mynah_test_guests::{Done, context, ensure, greedy, prompt, run};

fn main() -> Done {
    let answer = run(&context()?, &prompt(), greedy(u32::MAX))?;
    answer.print();
    ensure!(
        answer.reason() == Some(FinishReason::ContextFull),
        "{answer:?}"
    );
    ensure!(!answer.text().is_empty(), "no text was kept");
    Ok(())
}
