//! Promise: a guest returns to a session that the host closed because it was idle. Depending on the
//! host's configuration, it gets the same answer as without the closing, or an error. The argument
//! says whether it gets the answer.

use std::time::Duration;

use mynah_guest::{Model, Options};
use mynah_test_guests::{Done, PROMPT, arg, compute, context, ensure, refused};

fn main() -> Done {
    let opens_anew: bool = arg(1, true);
    let context = context()?;
    let first = compute(&context, PROMPT)?;
    let model = Model::load("default")?;
    let session = model.session()?;
    let few = || Options::greedy().max_tokens(4);
    let said = session.generate_with(PROMPT, few())?.text;
    loop {
        let status = model.status()?;
        if status.sessions.all.is_some_and(|all| all.closed >= 2) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let again = compute(&context, PROMPT);
    let said_again = session.generate_with(PROMPT, few());
    if opens_anew {
        ensure!(again? == first, "another text");
        ensure!(said_again?.text == said, "another text");
    } else {
        let message = refused("wasi:nn", &["runtime-error"], again)?;
        ensure!(message.contains("open a new one"), "{message}");
        refused("mynah:llm", &["unavailable"], said_again)?;
    }
    println!("ok");
    Ok(())
}
