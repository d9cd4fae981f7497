//! Promise: the SDK's `generate` returns a whole answer with its outcome, and options of a request
//! override those of the session.

use mynah_guest::{FinishReason, Model, Options};
use mynah_test_guests::{Done, ensure, prompt};

fn main() -> Done {
    let session = Model::load("default")?
        .session()?
        .with_options(Options::greedy().max_tokens(8));
    let answer = session.generate(prompt())?;
    let usage = &answer.outcome.usage;
    ensure!(usage.generated_tokens <= 8, "{answer:?}");
    ensure!(!usage.time_to_first_token().is_zero(), "{answer:?}");
    let short = session.generate_with(prompt(), Options::new().max_tokens(2))?;
    ensure!(
        short.outcome.reason == FinishReason::MaxTokens
            && short.outcome.usage.generated_tokens == 2,
        "{short:?}"
    );
    ensure!(
        answer.text.starts_with(&short.text),
        "{answer:?} and {short:?}"
    );
    println!("{}", answer.text);
    println!(
        "finish={} tokens={}",
        answer.outcome.reason, usage.generated_tokens
    );
    Ok(())
}
