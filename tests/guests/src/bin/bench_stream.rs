//! Measures: prefill and decode of one greedy stream. Arguments: tokens to generate, and the prompt's token ids,
//! separated by commas.

use mynah_test_guests::bindings::mynah::llm::generation::Prompt;
use mynah_test_guests::{Done, arg, context, ensure, greedy, read, start_with};

fn main() -> Done {
    let ids = arg(2, "1,2,3".to_owned())
        .split(',')
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let generation = start_with(&context()?, &Prompt::Tokens(ids), greedy(arg(1, 128)))?;
    let answer = read(&generation)?;
    ensure!(answer.outcome.is_some(), "the end did not come");
    if let Some(outcome) = answer.outcome {
        println!(
            "tokens={} prefill_us={} decode_us={}",
            outcome.usage.generated_tokens,
            outcome.usage.prefill_time.as_micros(),
            outcome.usage.decode_time.as_micros()
        );
    }
    Ok(())
}
