//! Measures the arrival time of each piece of a greedy stream. Arguments: number of tokens to
//! generate, and the prompt's token ids, separated by commas. Prints one line per piece, so that
//! nothing is lost if the guest is stopped.

use std::time::Instant;

use mynah_test_guests::bindings::mynah::llm::generation::Prompt;
use mynah_test_guests::{Answer, Done, arg, context, greedy, start_with};

fn main() -> Done {
    let begun = Instant::now();
    let ids = arg(2, "1,2,3".to_owned())
        .split(',')
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let context = context()?;
    let generation = start_with(&context, &Prompt::Tokens(ids), greedy(arg(1, 128)))?;
    let mut answer = Answer::default();
    while answer.outcome.is_none() {
        answer.add(generation.next().map_err(mynah_guest::Error::from)?);
        println!("arrival_us={}", begun.elapsed().as_micros());
    }
    println!("tokens={}", answer.tokens().unwrap_or(0));
    Ok(())
}
