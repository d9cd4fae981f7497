//! Promise: options out of range are refused, all at once, with their names and ranges. No value is
//! clamped.

use mynah_guest::{LogitBias, Memory, Options, Sampling};
use mynah_test_guests::{Done, PROMPT, context, ensure, greedy, refused, run, start};

fn main() -> Done {
    let context = context()?;
    let with = |max_tokens, temperature| {
        Options::new()
            .max_tokens(max_tokens)
            .temperature(temperature)
    };
    let cases: [(&str, Options, &[&str]); 12] = [
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
        (
            "top_p, top_k",
            Sampling::new().top_p(f32::NAN).top_k(-2).into(),
            &["`sampling.top_p` is NaN", "`sampling.top_k` is -2"],
        ),
        (
            "a bias on no token",
            Sampling::new()
                .logit_bias(vec![LogitBias::token(u32::MAX, 1.0)])
                .into(),
            &["`sampling.logit_bias`", "tokens of this model"],
        ),
        (
            "a breaker that llama.cpp can't take",
            Sampling::new()
                .dry_multiplier(1.0)
                .dry_sequence_breakers(vec!["\0".to_owned()])
                .into(),
            &["`sampling.dry_sequence_breakers`", "NUL"],
        ),
        (
            "memory",
            Memory::new().n_keep(-2).into(),
            &["`memory.n_keep` is -2"],
        ),
        (
            "more memory than the operator allows",
            Memory::new().max_cache_tokens(u32::MAX).into(),
            &[
                "`memory.max_cache_tokens` is 4294967295",
                "as the operator has it",
            ],
        ),
    ];
    for (case, options, words) in cases {
        let result = start(&context, PROMPT, options.into());
        let message = refused(case, &["invalid-settings"], result)?;
        for word in words {
            ensure!(message.contains(word), "{case}: no `{word}` in: {message}");
        }
    }
    // The limits of a range are valid.
    for temperature in [0.0, -0.0, 100.0] {
        run(&context, PROMPT, with(1, temperature).into())?;
    }
    run(&context, PROMPT, greedy(1))?;
    // Excessive values cost no more than the existing tokens.
    let much = Sampling::new()
        .penalty_last_n(i32::MAX)
        .repeat_penalty(1.5)
        .dry_multiplier(1.0)
        .dry_penalty_last_n(i32::MAX)
        .min_keep(1_000_000u32);
    run(&context, PROMPT, Options::from(much).max_tokens(3).into())?;
    let bare = Sampling::new().samplers(Vec::new());
    run(&context, PROMPT, Options::from(bare).max_tokens(3).into())?;
    println!("ok");
    Ok(())
}
