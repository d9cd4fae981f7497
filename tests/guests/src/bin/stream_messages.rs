//! Promise: a conversation is rendered with the model's own template and answered.

use mynah_test_guests::bindings::mynah::llm::generation::{Message, Prompt, Role};
use mynah_test_guests::{Done, arg, context, ensure, greedy, read, start_with};

fn main() -> Done {
    let context = context()?;
    let say = |role, content: &str| Message {
        role,
        content: content.to_owned(),
        fields: None,
    };
    let messages = vec![
        say(Role::System, "You are a helpful assistant."),
        say(Role::User, "What is the capital of Italy?"),
        say(Role::Assistant, "Rome."),
        say(Role::User, "And of France?"),
    ];
    let prompt = Prompt::Messages(messages);
    let answer = read(&start_with(&context, &prompt, greedy(arg(1, 32)))?)?;
    ensure!(
        !answer.text().contains("<|"),
        "template tokens in the text: {answer:?}"
    );
    answer.print();
    Ok(())
}
