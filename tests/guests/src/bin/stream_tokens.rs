//! Promise: a prompt of token ids is used as it is, and ids that the model lacks are refused.
//!
//! Argument: the ids, separated by commas.

use mynah_test_guests::bindings::mynah::llm::generation::Prompt;
use mynah_test_guests::{Done, arg, context, ensure, greedy, read, refused, start_with};

fn main() -> Done {
    let context = context()?;
    let ids: Vec<u32> = arg(1, "1,2,3".to_owned())
        .split(',')
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let start = |ids: Vec<u32>| start_with(&context, &Prompt::Tokens(ids), greedy(8));
    refused("empty", &["invalid-argument"], start(Vec::new()))?;
    refused("u32::MAX", &["invalid-argument"], start(vec![u32::MAX]))?;
    refused("i32::MAX + 1", &["invalid-argument"], start(vec![1 << 31]))?;
    let last = ids.iter().copied().chain([10_000_000]).collect();
    refused("the last of many", &["invalid-argument"], start(last))?;

    let count = ids.len();
    let answer = read(&start(ids)?)?;
    let prompt = answer
        .outcome
        .as_ref()
        .map(|o| o.usage.prompt_tokens as usize);
    ensure!(
        prompt == Some(count),
        "{count} ids became {prompt:?} tokens"
    );
    answer.print();
    Ok(())
}
