//! Promise: the SDK's errors are typed and contain their numbers, and an answer that was cut short
//! keeps its text.
//!
//! Argument: number of words of a prompt that is too long.

use mynah_guest::{Error, FinishReason, Message, Model, NnErrorCode, Options};
use mynah_test_guests::{Done, PROMPT, arg, ensure, refused};

fn main() -> Done {
    let error = Model::load("no-such-model").err();
    let not_found = |e: &Error| {
        matches!(
            e,
            Error::Nn {
                code: NnErrorCode::NotFound,
                ..
            }
        )
    };
    ensure!(error.as_ref().is_some_and(not_found), "{error:?}");

    let session = Model::load("default")?
        .session()?
        .with_options(Options::greedy());
    let hot = session.generate_with(PROMPT, Options::new().temperature(1000.0));
    ensure!(
        matches!(
            &hot,
            Err(Error::InvalidSettings(problems)) if problems[0].path == "sampling.temperature"
        ),
        "{hot:?}"
    );
    let partial = hot
        .as_ref()
        .err()
        .map(|error| error.partial_text().to_owned());
    ensure!(
        partial.as_deref() == Some(""),
        "text before it began: {partial:?}"
    );
    refused("temperature", &["invalid-settings"], hot)?;

    let long = session.generate([Message::user("word ".repeat(arg(1, 10_000)))]);
    if let Err(Error::PromptTooLong {
        prompt_tokens,
        context_tokens,
        ..
    }) = &long
    {
        ensure!(
            prompt_tokens >= context_tokens,
            "{prompt_tokens} fit in {context_tokens}"
        );
    }
    refused("long", &["prompt-too-long", "prompt-too-large"], long)?;

    let first = session.stream_with(PROMPT, Options::new().max_tokens(64))?;
    let second = session.stream(PROMPT);
    refused("busy", &["invalid-argument"], second)?;
    drop(first);

    let answer = session.generate_with(PROMPT, Options::new().max_tokens(3))?;
    ensure!(
        answer.outcome.reason == FinishReason::MaxTokens,
        "{answer:?}"
    );
    ensure!(!answer.text.is_empty(), "no text was kept");
    println!("ok");
    Ok(())
}
