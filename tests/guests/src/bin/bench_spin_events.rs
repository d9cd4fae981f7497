//! Measures: how long a call takes that finds nothing, for a guest that polls without waiting. Arguments: tokens to
//! generate, and the prompt.

use std::time::Instant;

use mynah_guest::Error;
use mynah_test_guests::{Answer, Done, PROMPT, arg, context, greedy, start};

fn main() -> Done {
    let context = context()?;
    let generation = start(&context, &arg(2, PROMPT.to_owned()), greedy(arg(1, 200)))?;
    let mut answer = Answer::default();
    let mut calls = 0u64;
    let begun = Instant::now();
    while answer.outcome.is_none() {
        calls += 1;
        if let Some(events) = generation.poll_next().map_err(Error::from)? {
            answer.add(events);
        }
    }
    let time = begun.elapsed();
    println!(
        "events={} calls={calls} ns={}",
        answer.pieces.len() + 1,
        time.as_nanos()
    );
    Ok(())
}
