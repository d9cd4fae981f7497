//! Promise: a guest that polls and waits on the pollable, and never waits in `next`, gets the whole
//! text.

use mynah_guest::Error;
use mynah_test_guests::{Answer, Done, arg, context, ensure, greedy, prompt, start};

fn main() -> Done {
    let context = context()?;
    let generation = start(&context, &prompt(), greedy(arg(2, 32)))?;
    let pollable = generation.subscribe();
    let mut answer = Answer::default();
    let mut waits = 0u32;
    while answer.outcome.is_none() {
        match generation.poll_next().map_err(Error::from)? {
            Some(events) => {
                ensure!(!events.is_empty(), "the end came without an outcome");
                answer.add(events);
            }
            None => {
                pollable.block();
                ensure!(pollable.ready(), "not ready after it was waited for");
                waits += 1;
            }
        }
    }
    ensure!(waits > 0, "everything was there at once");
    // The end stays available.
    for _ in 0..2 {
        ensure!(pollable.ready(), "not ready at the end");
        let polled = generation.poll_next().map_err(Error::from)?;
        ensure!(polled.is_some_and(|list| list.is_empty()), "no end to poll");
        let waited = generation.next().map_err(Error::from)?;
        ensure!(waited.is_empty(), "no end to wait for");
    }
    answer.print();
    Ok(())
}
