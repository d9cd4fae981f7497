//! Promise: an option out of range is refused with its name and range, all of them at once; nothing is clamped.

use mynah_test_guests::bindings::mynah::llm::generation::Options;
use mynah_test_guests::{Done, PROMPT, context, ensure, greedy, refused, run, start, unset};

fn main() -> Done {
    let context = context()?;
    let with = |max_tokens, temperature| Options {
        max_tokens: Some(max_tokens),
        temperature: Some(temperature),
        ..unset()
    };
    let cases: [(&str, Options, &[&str]); 7] = [
        (
            "temperature NaN",
            with(5, f32::NAN),
            &["temperature", "100"],
        ),
        (
            "temperature -1",
            with(5, -1.0),
            &["temperature", "-1", "100"],
        ),
        (
            "temperature inf",
            with(5, f32::INFINITY),
            &["temperature", "100"],
        ),
        (
            "temperature -inf",
            with(5, f32::NEG_INFINITY),
            &["temperature", "100"],
        ),
        (
            "temperature 1000",
            with(5, 1000.0),
            &["temperature", "1000", "100.0"],
        ),
        ("max_tokens 0", with(0, 0.0), &["max_tokens", "1 or more"]),
        ("both", with(0, -1.0), &["max_tokens", "temperature"]),
    ];
    for (case, options, words) in cases {
        let result = start(&context, PROMPT, options);
        let message = refused(case, &["invalid-argument"], result)?;
        for word in words {
            ensure!(message.contains(word), "{case}: no `{word}` in: {message}");
        }
    }
    // The ends of the ranges are inside.
    for temperature in [0.0, -0.0, 100.0] {
        run(&context, PROMPT, with(1, temperature))?;
    }
    run(&context, PROMPT, greedy(1))?;
    println!("ok");
    Ok(())
}
