//! Promise: a setting comes from the request, else the session, else the operator, else the model's
//! file, else the default.
//!
//! The model's file recommends temperature 0.6 and top-p 0.5; its operator set temperature 0.7,
//! top-k 6 and `max_tokens` 3.

use mynah_guest::{Model, Options, Origin, Sampling, Session};
use mynah_test_guests::{Done, PROMPT, ensure};

fn expect(session: &Session, path: &str, value: &str, origin: Origin) -> Done {
    let all = session.effective()?;
    let found = all.iter().find(|setting| setting.path == path);
    ensure!(
        found.is_some_and(|found| found.value == value && found.origin == origin),
        "{path}: {found:?}, expected {value} of {origin:?}"
    );
    Ok(())
}

fn main() -> Done {
    let session = Model::load("default")?.session()?;
    expect(&session, "sampling.min_p", "0.05", Origin::Default)?;
    expect(&session, "sampling.top_p", "0.5", Origin::File)?;
    expect(&session, "sampling.top_k", "6", Origin::Model)?;
    expect(&session, "sampling.temperature", "0.7", Origin::Model)?;
    expect(&session, "stopping.stop", "[]", Origin::Default)?;

    session.configure(Sampling::new().temperature(0.8))?;
    expect(&session, "sampling.temperature", "0.8", Origin::Session)?;
    expect(&session, "sampling.top_k", "6", Origin::Model)?;
    expect(&session, "sampling.top_p", "0.5", Origin::File)?;

    // Each level takes effect in the generation, too: the number of tokens shows it.
    let tokens = |options: Options| {
        session
            .generate_with(PROMPT, options)
            .map(|answer| answer.outcome.usage.generated_tokens)
    };
    ensure!(tokens(Options::new())? == 3, "the operator's");
    session.configure(Options::new().max_tokens(4))?;
    ensure!(tokens(Options::new())? == 4, "the session's");
    ensure!(tokens(Options::new().max_tokens(5))? == 5, "the request's");
    ensure!(
        tokens(Options::new())? == 4,
        "a request is over with its generation"
    );

    // A new configuration replaces the old one instead of being merged with it.
    session.configure(Sampling::greedy())?;
    expect(&session, "stopping.max_tokens", "3", Origin::Model)?;
    session.configure(Options::new())?;
    expect(&session, "sampling.temperature", "0.7", Origin::Model)?;

    // The settings of one context do not affect another.
    let other = Model::load("default")?.session()?;
    session.configure(Options::new().max_tokens(1))?;
    expect(&other, "stopping.max_tokens", "3", Origin::Model)?;
    println!("ok");
    Ok(())
}
