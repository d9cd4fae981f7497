//! Promise: a request's own limits are enforced. A value that is out of range or not allowed is
//! refused with its name.
//!
//! The operator's limit for the priority is `normal`, and the model serves one request at a time.

use std::time::Duration;

use mynah_guest::{FinishReason, Options, Priority};
use mynah_test_guests::{Done, context, ensure, greedy, kind, prompt, read, refused, run, start};

fn main() -> Done {
    let (first, second) = (context()?, context()?);

    let high = Options::greedy().priority(Priority::High);
    let invalid = &["invalid-settings"];
    let message = refused("priority", invalid, start(&first, &prompt(), high.into()))?;
    ensure!(message.contains("`max_priority`"), "{message}");
    for (options, name) in [
        (Options::greedy().max_time(Duration::ZERO), "max_time_ms"),
        (
            Options::greedy().queue_timeout(Duration::from_secs(u64::MAX)),
            "queue_timeout_ms",
        ),
    ] {
        let message = refused(name, invalid, start(&first, &prompt(), options.into()))?;
        ensure!(message.contains(name), "{message}");
    }

    // More tokens than can be generated in the time.
    let short = Options::greedy()
        .max_tokens(1_000_000)
        .max_time(Duration::from_millis(150));
    let answer = run(&first, &prompt(), short.into())?;
    ensure!(
        answer.reason() == Some(FinishReason::MaxTime) && !answer.text().is_empty(),
        "{answer:?}"
    );

    // A generation occupies the only sequence and is read too slowly to end.
    let hog = start(&first, &prompt(), greedy(1_000_000))?;
    hog.next()?;
    let waits = Options::greedy()
        .max_tokens(1)
        .priority(Priority::Low)
        .queue_timeout(Duration::from_millis(50));
    let waiting = start(&second, &prompt(), waits.into())?;
    // Its reader keeps reading, so it is not parked.
    let error = loop {
        hog.next()?;
        match waiting.poll_next() {
            Ok(None) => {}
            Ok(Some(events)) => return Err(mynah_test_guests::Failure(format!("{events:?}"))),
            Err(error) => break mynah_guest::Error::from(error),
        }
    };
    ensure!(
        kind(&error) == "timeout" && error.to_string().contains("`queue_timeout_ms`"),
        "{error}"
    );
    hog.cancel();
    ensure!(
        read(&hog)?.reason() == Some(FinishReason::Cancelled),
        "the hog ended otherwise"
    );
    println!("ok");
    Ok(())
}
