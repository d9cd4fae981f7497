//! Promise: a context that generates refuses a second generation and continues the first.

use mynah_test_guests::{Done, context, ensure, greedy, prompt, read, run, start};
use mynah_test_guests::{compute, refused};

fn main() -> Done {
    let context = context()?;
    let prompt = prompt();
    let alone = run(&context, &prompt, greedy(64))?;
    let generation = start(&context, &prompt, greedy(64))?;
    let second = start(&context, &prompt, greedy(64));
    refused("start", &["invalid-argument", "busy"], second)?;
    let computed = compute(&context, &prompt);
    refused("compute", &["invalid-argument"], computed)?;
    let answer = read(&generation)?;
    ensure!(answer.text() == alone.text(), "{alone:?} became {answer:?}");
    // Once the end has been read the context is free, even though the generation still exists.
    run(&context, &prompt, greedy(3))?;
    println!("ok");
    Ok(())
}
