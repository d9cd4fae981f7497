//! Promise: a session keeps the conversation, including a partly read answer, but no question
//! without an answer.

use mynah_guest::{Message, Model, Options, Role, Tool};
use mynah_test_guests::{Done, ensure};

fn main() -> Done {
    let options = Options::greedy().max_tokens(24);
    let chat = || {
        let session = Model::load("default")?.session()?;
        Ok::<_, mynah_guest::Error>(session.with_options(options.clone()))
    };
    let mut chat_with_tools = chat()?.tools([]).variables(r#"{"mood": "calm"}"#);
    let nonsense = Tool::new("age", "The age of a bird.").parameters("nonsense");
    let mut chat_with_nonsense = chat()?.tools([nonsense]);
    let mut chat = chat()?.system("You are a helpful assistant.");
    let first = chat.say("What is the capital of France?")?.finish()?;
    let second = chat.say("And of Italy?")?.finish()?;
    let prompts = [&first, &second].map(|answer| answer.outcome.usage.prompt_tokens);
    ensure!(
        prompts[1] > prompts[0],
        "the second prompt is no longer: {prompts:?}"
    );
    let said: Vec<_> = chat.messages().iter().map(Message::text).collect();
    let expected = [
        "You are a helpful assistant.",
        "What is the capital of France?",
        &first.text,
        "And of Italy?",
        &second.text,
    ];
    ensure!(said == expected, "{said:?} is not {expected:?}");

    // Broken off after one piece, which is kept.
    let mut reply = chat.say("Tell me more.")?;
    let piece = reply.next().transpose()?.unwrap_or_default();
    drop(reply);
    let last = chat.messages().last().cloned();
    ensure!(
        last.is_some_and(|m| m.role == Role::Assistant && m.text() == piece),
        "{chat:?}"
    );
    // Never read, or refused: the conversation is unchanged.
    let count = chat.messages().len();
    drop(chat.say("Are you there?")?);
    ensure!(chat.messages().len() == count, "{chat:?}");
    chat.set_options(Options::new().max_tokens(0));
    ensure!(chat.say("Anything?").is_err(), "no tokens were accepted");
    ensure!(chat.messages().len() == count, "{chat:?}");
    ensure!(
        chat.forget() && chat.messages().len() == count - 2,
        "{chat:?}"
    );

    // The result of a tool can be sent, too. Invalid tools are refused, and the conversation is
    // unchanged.
    chat_with_tools.say("How old is it?")?.finish()?;
    chat_with_tools.say_with(Message::tool("7"))?.finish()?;
    let roles: Vec<Role> = chat_with_tools.messages().iter().map(|m| m.role).collect();
    let expected = [Role::User, Role::Assistant, Role::Tool, Role::Assistant];
    ensure!(roles == expected, "{roles:?}");
    ensure!(chat_with_nonsense.say("x").is_err(), "nonsense was taken");
    ensure!(
        chat_with_nonsense.messages().is_empty(),
        "{chat_with_nonsense:?}"
    );
    println!("{}\n{}", first.text, second.text);
    Ok(())
}
