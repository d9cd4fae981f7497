//! Promise: `Session::run` runs the tools that the model calls, keeps the whole conversation, and
//! ends with an error at its limits. A caller can also answer calls by itself.

use mynah_guest::{
    Error, Event, Message, Model, Options, Role, RunLimit, RunLimits, Session, Step, Tool,
    ToolChoice, Toolbox,
};
use mynah_test_guests::{Done, Failure, ensure};
use schemars::JsonSchema;
use serde::Deserialize;

/// A place to look at.
#[derive(Debug, JsonSchema, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Where {
    North,
    South,
}

#[derive(Debug, JsonSchema, Deserialize)]
struct Look {
    place: Where,
}

const QUESTION: &str = "Is there a parrot in the north?";

fn main() -> Done {
    let required = || Ok::<_, Failure>(session()?.tool_choice(ToolChoice::Required));
    let mut looks = Vec::new();
    let mut tools = Toolbox::new().with("look", "Looks for parrots.", |look: Look| {
        let seen = format!("There is a parrot in the {:?}.", look.place);
        looks.push(look);
        Ok(seen)
    });

    // One required call, then an answer, which may call again.
    let mut asking = required()?;
    let mut run = asking.run(QUESTION, &mut tools)?;
    let (mut called, mut results, mut arguments) = (Vec::new(), Vec::new(), String::new());
    for step in &mut run {
        let step = match step {
            // A small model may call again and again.
            Err(Error::RunLimit { .. }) => break,
            step => step?,
        };
        match step {
            Step::Event(Event::ToolCallArguments { index: 0, text }) if results.is_empty() => {
                arguments.push_str(&text);
            }
            Step::Call(call) => called.push(call),
            Step::Result(result) => results.push(result),
            _ => {}
        }
    }
    let first = called.first().ok_or("no call")?;
    ensure!(
        first.name == "look" && first.arguments == arguments,
        "{first:?}, in pieces {arguments}"
    );
    ensure!(
        results.iter().all(|result| !result.failed) && results.len() == called.len(),
        "{results:?}"
    );
    let rounds = run.answers().len();
    ensure!(rounds >= 2, "{run:?}");
    drop(run);
    let roles: Vec<Role> = asking.messages().iter().map(|said| said.role).collect();
    let begin = [Role::User, Role::Assistant, Role::Tool, Role::Assistant];
    ensure!(roles.starts_with(&begin), "{roles:?}");
    ensure!(asking.messages()[1].tool_calls[0] == *first, "{asking:?}");
    ensure!(
        asking.messages()[2].tool_call_id.as_deref() == Some(first.id.as_str()),
        "{asking:?}"
    );
    // The conversation goes on, also in another run.
    let mut restored = session()?;
    restored.restore(&asking.save())?;
    ensure!(restored.messages() == asking.messages(), "{restored:?}");

    // At a limit the call is not run, and its result says so.
    for (limits, limit) in [
        (RunLimits::new().rounds(1), RunLimit::Rounds),
        (RunLimits::new().calls(0), RunLimit::Calls),
    ] {
        let mut asking = required()?;
        let message = Message::user(QUESTION);
        let ended = asking.run_with(message, &mut tools, limits)?.finish();
        ensure!(
            matches!(&ended, Err(Error::RunLimit { limit: told, .. }) if *told == limit),
            "{ended:?}"
        );
        let last = asking.messages().last().ok_or("no messages")?;
        ensure!(
            last.role == Role::Tool && last.text().contains("not run"),
            "{last:?}"
        );
    }
    drop(tools);
    ensure!(looks.len() == called.len(), "{looks:?}, {called:?}");

    // The caller answers the call by itself.
    let look = Tool::of::<Look>("look", "Looks for parrots.");
    let mut asking = required()?.tools([look]);
    let answer = asking.say(QUESTION)?.finish()?;
    let [call] = answer.tool_calls.as_slice() else {
        return Err(Failure(format!("not one call: {answer:?}")));
    };
    call.json::<Look>()?;
    let result = Message::tool_result(call, "There is none.");
    let mut asking = asking.tool_choice(ToolChoice::None);
    let answer = asking.say_all([result])?.finish()?;
    ensure!(answer.tool_calls.is_empty(), "{answer:?}");
    println!("ok");
    Ok(())
}

/// A session whose answers have one call at most.
fn session() -> Result<Session, Failure> {
    let options = Options::greedy().max_tokens(100);
    let session = Model::load("default")?.session()?.with_options(options);
    Ok(session.parallel_tool_calls(false))
}
