//! Measures: how long one event takes from the host into the guest when it is there. Arguments: tokens to generate, and
//! the prompt.

use std::time::{Duration, Instant};

use mynah_guest::Error;
use mynah_test_guests::{Answer, Done, PROMPT, arg, context, ensure, greedy, start};

fn main() -> Done {
    let context = context()?;
    let generation = start(&context, &arg(2, PROMPT.to_owned()), greedy(arg(1, 200)))?;
    let pollable = generation.subscribe();
    let (mut events, mut calls, mut time) = (0, 0, Duration::ZERO);
    let mut answer = Answer::default();
    while answer.outcome.is_none() {
        // Waiting for the model is not crossing.
        pollable.block();
        let begun = Instant::now();
        let list = generation.next().map_err(Error::from)?;
        time += begun.elapsed();
        ensure!(!list.is_empty(), "the end came without an outcome");
        events += list.len();
        calls += 1;
        answer.add(list);
    }
    let crossing_us = time.as_secs_f64() * 1e6 / events as f64;
    println!(
        "events={events} calls={calls} ns={} crossing_us={crossing_us:.3}",
        time.as_nanos()
    );
    Ok(())
}
