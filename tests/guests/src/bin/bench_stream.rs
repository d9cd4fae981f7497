//! Measures prefill and decode of one greedy stream from the guest's side. Arguments: number of
//! tokens to generate, and the prompt's token ids, separated by commas.

use std::time::Instant;

use mynah_test_guests::bindings::mynah::llm::generation::Prompt;
use mynah_test_guests::{Answer, Done, arg, context, ensure, greedy, start_with};

fn main() -> Done {
    let ids = arg(2, "1,2,3".to_owned())
        .split(',')
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let context = context()?;
    let begun = Instant::now();
    let generation = start_with(&context, &Prompt::Tokens(ids), greedy(arg(1, 128)))?;
    let mut answer = Answer::default();
    answer.add(generation.next().map_err(mynah_guest::Error::from)?);
    let first = begun.elapsed();
    while answer.outcome.is_none() {
        answer.add(generation.next().map_err(mynah_guest::Error::from)?);
    }
    let whole = begun.elapsed();
    let tokens = answer.tokens().unwrap_or(0);
    ensure!(tokens > 1, "only {tokens} tokens came");
    let cached = answer.outcome.map_or(0, |o| o.usage.cached_tokens);
    println!(
        "tokens={tokens} cached={cached} prefill_us={} decode_us={}",
        first.as_micros(),
        (whole - first).as_micros()
    );
    Ok(())
}
