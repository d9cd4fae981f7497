//! Promise: an invalid prompt is refused before any work, with a message, and the context still
//! works afterwards.
//!
//! Argument: number of words of the long prompt.

use mynah_guest::Error;
use mynah_test_guests::bindings::mynah::llm::generation::{Message, Prompt, Role};
use mynah_test_guests::{Done, PROMPT, arg, context, ensure, greedy, refused, run, start_with};

fn main() -> Done {
    let context = context()?;
    let start = |prompt: Prompt| start_with(&context, &prompt, greedy(1));
    let long = "word ".repeat(arg(1, 10_000));

    refused(
        "empty text",
        &["invalid-argument"],
        start(Prompt::Text(String::new())),
    )?;
    refused(
        "no messages",
        &["invalid-argument"],
        start(Prompt::Messages(Vec::new())),
    )?;
    let too_long = start(Prompt::Text(long.clone()));
    if let Err(Error::PromptTooLong {
        prompt_tokens,
        context_tokens,
        ..
    }) = &too_long
    {
        ensure!(
            prompt_tokens >= context_tokens,
            "{prompt_tokens} fit in {context_tokens}"
        );
    }
    let kinds = ["prompt-too-long", "prompt-too-large"];
    refused("long text", &kinds, too_long)?;
    let message = Message {
        role: Role::User,
        content: long,
        fields: None,
    };
    refused(
        "long message",
        &kinds,
        start(Prompt::Messages(vec![message])),
    )?;
    run(&context, PROMPT, greedy(1))?;
    println!("ok");
    Ok(())
}
