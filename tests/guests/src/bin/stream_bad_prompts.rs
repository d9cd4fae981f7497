//! Promise: an invalid prompt is refused before any work, with a message, and the context still
//! works afterwards.
//!
//! Argument: number of words of the long prompt.

use mynah_guest::{Error, Message, Prompt};
use mynah_test_guests::{Done, PROMPT, arg, context, ensure, greedy, refused, run, start_with};

fn main() -> Done {
    let context = context()?;
    let start = |prompt: Prompt| start_with(&context, &prompt.into(), greedy(1));
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
    refused("long message", &kinds, start(Message::user(long).into()))?;
    // This model takes none.
    let picture = Message::user("What is this?").with_image("image/png", [0x89, 0x50]);
    refused("picture", &["unsupported"], start(picture.into()))?;
    run(&context, PROMPT, greedy(1))?;
    println!("ok");
    Ok(())
}
