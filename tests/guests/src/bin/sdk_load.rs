//! Promise: after requests with known outcomes, the status reports exactly these, typed and as JSON
//! alike. Prints the expected and the reported figures as JSON. With the argument `wait` it stays
//! until its stdin ends, so that others can read the status, too.
//!
//! It needs a model for itself, with one sequence, a queue of two, and room for an answer that
//! outlasts everything else here.

use std::time::Duration;

use mynah_guest::{Error, Model, Options, Status, StatusKind, Stopping, Stream};
use mynah_test_guests::{Done, arg, ensure};

/// Tokens of the answer that outlasts everything else.
const ENDLESS: u32 = 60_000;

/// Options for an answer of exactly this number of tokens.
fn exactly(tokens: u32) -> Options {
    Options::greedy().stopping(Stopping::new().max_tokens(tokens).ignore_eos(true))
}

fn until(model: &Model, wanted: impl Fn(&Status) -> bool) -> Result<Status, Error> {
    loop {
        let status = model.status()?;
        if wanted(&status) {
            return Ok(status);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The numbers of waiting and running requests.
fn on_their_way(status: &Status) -> (u64, u64) {
    let queue = status.queue.as_ref();
    queue.map_or((0, 0), |queue| (queue.length, queue.running))
}

fn main() -> Done {
    let model = Model::load("default")?;
    // Three requests that complete. Two of them are in one session: the second reuses the first's
    // prompt.
    let twice = model.session()?;
    let first = twice.generate_with("one parrot", exactly(8))?;
    let second = twice.generate_with("one parrot", exactly(8))?;
    let cached = second.outcome.usage.cached_tokens;
    ensure!(cached > 0, "nothing was found: {:?}", second.outcome);
    let third = model.session()?.generate_with("another", exactly(5))?;
    let answers = [first, second, third];
    let usage = |of: fn(&mynah_guest::Usage) -> u32| -> u32 {
        answers.iter().map(|one| of(&one.outcome.usage)).sum()
    };
    let (prompt, generated) = (usage(|u| u.prompt_tokens), usage(|u| u.generated_tokens));
    ensure!(generated == 8 + 8 + 5, "{generated}");

    // One runs on and two wait, so two more are refused. Then the waiting ones are cancelled.
    let start = |options: Options| -> Result<Stream, Error> {
        model.session()?.stream_with("endless", options)
    };
    let endless = start(exactly(ENDLESS))?;
    until(&model, |status| {
        let performance = status.performance.as_ref();
        let made = performance.map_or(0, |performance| performance.generated_tokens);
        on_their_way(status) == (0, 1) && made > u64::from(generated)
    })?;
    let waiting = [start(exactly(1))?, start(exactly(1))?];
    for _ in 0..2 {
        let refused = start(exactly(1));
        ensure!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
    }
    drop(waiting);
    // A request with no time to wait.
    let late = start(exactly(1).queue_timeout(Duration::from_millis(1)))?;
    let late = late.finish();
    ensure!(matches!(late, Err(Error::Timeout(_))), "{late:?}");
    drop(endless);
    let status = until(&model, |status| on_their_way(status) == (0, 0))?;

    let (Some(queue), Some(memory), Some(performance)) =
        (&status.queue, &status.memory, &status.performance)
    else {
        return Err("the operator lets this guest see everything".into());
    };
    let ended = [
        queue.accepted,
        queue.completed,
        queue.refused,
        queue.timed_out,
        queue.cancelled,
        queue.failed,
    ];
    ensure!(ended == [7, 3, 2, 1, 3, 0], "{queue:?}");
    ensure!(
        status.model.requests_served == Some(3),
        "{:?}",
        status.model
    );
    ensure!(
        (memory.hits, memory.cached_tokens) == (1, u64::from(cached)),
        "{memory:?}"
    );
    // The cancelled request has computed its prompt and an unknown part of its answer.
    let computed = u64::from(prompt - cached);
    let (input, output) = (performance.prompt_tokens, performance.generated_tokens);
    ensure!(
        input > computed && output >= u64::from(generated),
        "{performance:?}"
    );
    println!(
        "{{\"completed\":3,\"refused\":2,\"timed_out\":1,\"cancelled\":3,\"failed\":0,\
         \"accepted\":7,\"hits\":1,\"misses\":{},\"cached_tokens\":{cached},\
         \"prompt_tokens\":{input},\"generated_tokens\":{output},\
         \"first_tokens\":4,\"steps\":{}}}",
        memory.misses, performance.steps
    );
    for kind in [
        StatusKind::Queue,
        StatusKind::Memory,
        StatusKind::Performance,
        StatusKind::Model,
    ] {
        println!("{}", model.status_json(kind)?);
    }
    if arg(1, String::new()) == "wait" {
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    }
    Ok(())
}
