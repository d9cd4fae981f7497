//! Measures the time that an available event takes from the host into the guest. Arguments: number
//! of tokens to generate, and the prompt.

use std::time::{Duration, Instant};

use mynah_guest::Error;
use mynah_test_guests::{Answer, Done, PROMPT, arg, context, ensure, greedy, start};

fn main() -> Done {
    let context = context()?;
    let generation = start(&context, &arg(2, PROMPT.to_owned()), greedy(arg(1, 200)))?;
    let pollable = generation.subscribe();
    let mut times: Vec<Duration> = Vec::new();
    let mut answer = Answer::default();
    while answer.outcome.is_none() {
        // Waiting for the model is not measured.
        pollable.block();
        let begun = Instant::now();
        let list = generation.next().map_err(Error::from)?;
        let took = begun.elapsed();
        ensure!(!list.is_empty(), "the end came without an outcome");
        times.push(took / list.len() as u32);
        answer.add(list);
    }
    // The median, because a thread that loses its core distorts single measurements.
    times.sort();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    println!(
        "calls={} crossing_us={:.3}",
        times.len(),
        median.as_secs_f64() * 1e6
    );
    Ok(())
}
