//! Promise: a context keeps its settings, a request overrides them, each can be read back with its
//! origin, and a refused document changes nothing. The operator set `max_tokens` 7.

use mynah_guest::{Model, Options, Origin, Sampling, Session};
use mynah_test_guests::{Done, PROMPT, ensure, refused};

/// The value and origin of a setting.
fn in_force(session: &Session, path: &str) -> mynah_guest::Result<(String, Origin)> {
    let all = session.effective()?;
    let found = all.into_iter().find(|setting| setting.path == path);
    Ok(
        found.map_or(("absent".to_owned(), Origin::Default), |setting| {
            (setting.value, setting.origin)
        }),
    )
}

fn main() -> Done {
    let session = Model::load("default")?.session()?;
    let expect = |path: &str, value: &str, origin: Origin| -> Done {
        let found = in_force(&session, path)?;
        ensure!(
            found == (value.to_owned(), origin),
            "{path}: {found:?}, expected {value} of {origin:?}"
        );
        Ok(())
    };
    expect("stopping.max_tokens", "7", Origin::Model)?;
    expect("sampling.top_k", "40", Origin::Default)?;
    ensure!(
        session.generate(PROMPT)?.outcome.usage.generated_tokens == 7,
        "the operator's"
    );

    session.configure(Options::from(Sampling::greedy().top_k(3)).max_tokens(4))?;
    expect("stopping.max_tokens", "4", Origin::Session)?;
    expect("sampling.temperature", "0.0", Origin::Session)?;
    expect("sampling.top_k", "3", Origin::Session)?;
    ensure!(
        session.generate(PROMPT)?.outcome.usage.generated_tokens == 4,
        "the session's"
    );
    let request = session.generate_with(PROMPT, Options::new().max_tokens(2))?;
    ensure!(
        request.outcome.usage.generated_tokens == 2,
        "the request's: {request:?}"
    );

    // Refused as a whole: no part of it is in force.
    let bad = Options::new()
        .max_tokens(9)
        .temperature(f32::INFINITY)
        .stop([""]);
    let message = refused("typed", &["invalid-settings"], session.configure(bad))?;
    for words in ["`sampling.temperature` is inf", "`stopping.stop`"] {
        ensure!(message.contains(words), "{message}");
    }
    let json = r#"{"n_predict": 9, "temp": "hot", "top_p": 3}"#;
    let message = refused(
        "json",
        &["invalid-settings"],
        session.configure_json(json, false),
    )?;
    for words in ["`temp` is \"hot\"", "`top_p` is 3"] {
        ensure!(message.contains(words), "{message}");
    }
    expect("stopping.max_tokens", "4", Origin::Session)?;

    // An unusual document is accepted with warnings, and refused in strict mode.
    let json = r#"{"sampling": {"temp": 0, "top_q": 1}, "n-predict": 3, "threads": 2}"#;
    let warnings = session.configure_json(json, false)?;
    let paths: Vec<&str> = warnings
        .iter()
        .map(|warning| warning.path.as_str())
        .collect();
    ensure!(paths == ["sampling.top_q", "threads"], "{warnings:?}");
    ensure!(warnings[0].place == Some((1, 26)), "{warnings:?}");
    expect("stopping.max_tokens", "3", Origin::Session)?;
    expect("sampling.top_k", "40", Origin::Default)?;
    refused(
        "strict",
        &["invalid-settings"],
        session.configure_json(json, true),
    )?;
    for junk in [
        "",
        "[]",
        "nonsense",
        &"[".repeat(10_000),
        &"x".repeat(1 << 20),
    ] {
        refused(
            "junk",
            &["invalid-settings"],
            session.configure_json(junk, false),
        )?;
    }
    ensure!(
        session.generate(PROMPT)?.outcome.usage.generated_tokens == 3,
        "after all of it"
    );
    println!("ok");
    Ok(())
}
