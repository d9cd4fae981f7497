//! Promise: dropping the execution context cancels its generation, which still ends and keeps its
//! text.

use mynah_guest::FinishReason;
use mynah_test_guests::{Answer, Done, context, ensure, greedy, prompt, read, start};

fn main() -> Done {
    let context = context()?;
    let generation = start(&context, &prompt(), greedy(100_000))?;
    let mut answer = Answer::default();
    answer.add(generation.next()?);
    drop(context);
    let rest = read(&generation)?;
    ensure!(
        rest.reason() == Some(FinishReason::Cancelled),
        "after {answer:?}: {rest:?}"
    );
    ensure!(!answer.text().is_empty(), "no text was kept");
    println!("ok");
    Ok(())
}
