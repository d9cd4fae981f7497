//! Promise: a cancelled generation ends as `cancelled`, with the text that was generated until
//! then.

use mynah_guest::FinishReason;
use mynah_test_guests::{Answer, Done, context, ensure, greedy, prompt, read, run, start};

fn main() -> Done {
    let context = context()?;
    let generation = start(&context, &prompt(), greedy(100_000))?;
    let mut answer = Answer::default();
    answer.add(generation.next()?);
    generation.cancel();
    let rest = read(&generation)?;
    answer.pieces.extend(rest.pieces);
    answer.outcome = answer.outcome.or(rest.outcome);
    ensure!(
        answer.reason() == Some(FinishReason::Cancelled),
        "{answer:?}"
    );
    ensure!(!answer.text().is_empty(), "no text was kept");
    // Cancelling again, or after the end, does nothing.
    generation.cancel();
    ensure!(generation.next()?.is_empty(), "something followed the end");

    // Cancelled at once, a generation still ends, and the context is free again.
    let generation = start(&context, &prompt(), greedy(100_000))?;
    generation.cancel();
    let early = read(&generation)?;
    ensure!(early.reason() == Some(FinishReason::Cancelled), "{early:?}");
    run(&context, &prompt(), greedy(3))?;
    answer.print();
    Ok(())
}
