//! Promise: a conversation is rendered with the model's own template and answered.

use mynah_guest::{Message, Prompt};
use mynah_test_guests::{Done, arg, context, ensure, greedy, read, start_with};

fn main() -> Done {
    let context = context()?;
    let prompt = Prompt::from([
        Message::system("You are a helpful assistant."),
        Message::user("What is the capital of Italy?"),
        Message::assistant("Rome."),
        Message::user("And of France?"),
    ]);
    let answer = read(&start_with(&context, &prompt.into(), greedy(arg(1, 32)))?)?;
    ensure!(
        !answer.text().contains("<|"),
        "template tokens in the text: {answer:?}"
    );
    answer.print();
    Ok(())
}
