//! Promise: sampling settings change real text, and log-probabilities are reported on request.

use mynah_guest::{FinishReason, LogitBias, Model, Options, Sampling, Stopping};
use mynah_test_guests::{Done, ensure, prompt};

fn main() -> Done {
    let session = Model::load("default")?
        .session()?
        .with_options(Options::greedy().max_tokens(16));
    let text = |options: Options| {
        session
            .generate_with(prompt(), options)
            .map(|answer| answer.text)
    };
    let plain = text(Options::new())?;

    let word = plain.split_whitespace().next().unwrap_or_default();
    let forbidden = text(
        Sampling::new()
            .logit_bias(vec![LogitBias::text(format!(" {word}"), f32::NEG_INFINITY)])
            .into(),
    )?;
    ensure!(
        !forbidden.starts_with(&format!(" {word}")),
        "{plain:?} without {word:?}: {forbidden:?}"
    );
    let penalised = text(Sampling::new().repeat_penalty(1.8).into())?;
    ensure!(
        penalised != plain,
        "a repeat penalty changed nothing: {plain:?}"
    );
    let dry = text(
        Options::from(Sampling::new().dry_multiplier(5.0).dry_allowed_length(0u32)).max_tokens(64),
    )?;
    ensure!(
        dry != text(Options::new().max_tokens(64))?,
        "DRY changed nothing: {dry:?}"
    );

    // The answer continues past the end-of-generation token.
    let ignoring = Options::from(Stopping::new().ignore_eos(true)).max_tokens(200);
    let answer = session.generate_with(prompt(), ignoring)?;
    ensure!(
        answer.outcome.reason == FinishReason::MaxTokens,
        "{answer:?}"
    );
    ensure!(answer.outcome.usage.generated_tokens == 200, "{answer:?}");

    let mut stream = session.stream_with(prompt(), Sampling::new().n_probs(3u32))?;
    let mut told = String::new();
    for piece in &mut stream {
        told.push_str(&piece?);
    }
    ensure!(told == plain, "{told:?} and {plain:?}");
    let tokens = stream.tokens();
    let bytes: Vec<u8> = tokens
        .iter()
        .flat_map(|token| token.chosen.bytes.clone())
        .collect();
    ensure!(String::from_utf8_lossy(&bytes) == plain, "{tokens:?}");
    for token in tokens {
        ensure!(token.top.len() == 3, "{token:?}");
        // With greedy sampling the chosen token is the most likely one.
        ensure!(
            token.top[0] == token.chosen && token.chosen.log_prob <= 0.0,
            "{token:?}"
        );
        ensure!(token.top[0].log_prob >= token.top[1].log_prob, "{token:?}");
    }
    let creative = Options::from(Sampling::creative()).seed(5);
    ensure!(
        text(creative.clone())? == text(creative.clone())?,
        "a seed repeats"
    );
    ensure!(
        text(creative.clone())? != text(creative.seed(6))?,
        "another seed differs"
    );
    println!("ok");
    Ok(())
}
