//! Promise: a session that continues, is forked, or is restored from a saved one gives the text
//! that it would have given anyway, and reports how much of its prompt came from the prefix cache.

use mynah_guest::{Error, Model, Options, Result, Session};
use mynah_test_guests::{Done, ensure};

const FIRST: &str = "Name three birds that can speak, and say in some words what each of them \
    likes to eat, where it lives, how old it gets, who its enemies are, how it builds its nest, \
    and what it can learn to say when somebody talks to it every day from when it is young.";

fn say(session: &mut Session, message: &str) -> Result<(String, u32, u32)> {
    let answer = session.say(message)?.finish()?;
    let usage = &answer.outcome.usage;
    Ok((answer.text, usage.prompt_tokens, usage.cached_tokens))
}

fn main() -> Done {
    let model = Model::load("default")?;
    let options = Options::greedy().deterministic(true).max_tokens(16);
    let open = || Ok::<_, Error>(model.session()?.with_options(options.clone()));
    let mut session = open()?.system("You are a helpful assistant that knows much about birds.");
    let (_, prompt, _) = say(&mut session, FIRST)?;
    ensure!(
        prompt >= 64,
        "the first prompt has {prompt} tokens: too few to be remembered"
    );
    let saved = session.save();

    // The next turn: in the session, in a fork of it, and in a restored one.
    let mut fork = session.fork()?;
    let mut restored = open()?;
    restored.restore(&saved)?;
    ensure!(restored.messages() == session.messages(), "{restored:?}");
    let next = "And which of them is the oldest?";
    let (text, prompt, cached) = say(&mut session, next)?;
    ensure!(
        cached >= 64 && cached < prompt,
        "{cached} of {prompt} were cached"
    );
    for other in [&mut fork, &mut restored] {
        let (same, _, cached) = say(other, next)?;
        ensure!(cached >= 64, "{cached} of {prompt} were cached");
        ensure!(same == text, "{same:?} is not {text:?}");
    }

    // Each continues independently.
    say(&mut fork, "Why?")?;
    ensure!(
        fork.messages().len() == session.messages().len() + 2,
        "{fork:?}"
    );
    let error = session.restore("{\"mynah_conversation\": 9}").unwrap_err();
    ensure!(matches!(error, Error::NotAConversation(_)), "{error:?}");
    ensure!(
        session.save() != saved && !session.messages().is_empty(),
        "{session:?}"
    );
    println!("ok");
    Ok(())
}
