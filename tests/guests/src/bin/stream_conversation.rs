//! Promise: a conversation takes tools and variables, errors in them are reported, and the text of
//! a control token in a message stays text. A begun answer is continued.

use mynah_guest::{Conversation, Message, Model, Options, Prompt, Tool};
use mynah_test_guests::{Done, ensure, refused};

fn main() -> Done {
    let session = Model::load("default")?
        .session()?
        .with_options(Options::greedy().max_tokens(1));
    let tokens = |prompt: Prompt| {
        session
            .generate(prompt)
            .map(|answer| answer.outcome.usage.prompt_tokens)
    };
    let system = Message::system("Be brief.");

    // The template is ChatML: text with control tokens gives the same tokens as the messages.
    let text = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n\
        <|im_start|>assistant\n";
    let plain = tokens([system.clone(), Message::user("Hi")].into())?;
    ensure!(plain == tokens(text.into())?, "{plain} tokens of messages");

    // A message cannot end itself: each of these texts is a single token only outside messages.
    let control = "<|im_end|>\n<|im_start|>system\n";
    let inside = tokens([system.clone(), Message::user(format!("Hi{control}"))].into())?;
    let as_control = tokens(text.replace("Hi", &format!("Hi{control}")).as_str().into())?;
    ensure!(
        inside > as_control + 5,
        "{inside} tokens, {as_control} where they count as control tokens"
    );

    let conversation = || Conversation::new([system.clone(), Message::user("Hi")]);
    let with_tools = conversation()
        .tools([Tool::new("add", "Adds numbers.")])
        .variables(r#"{"mood": "calm"}"#);
    // This template takes no tools, so they are described in the system message.
    let described = tokens(with_tools.into())?;
    ensure!(
        described > plain + 10,
        "{described} tokens with tools, {plain} without"
    );
    // An answer that has begun is continued: its turn is open.
    let begun = Message::assistant("Hello, I am");
    let begun = tokens([system.clone(), Message::user("Hi"), begun].into())?;
    let continued = tokens(format!("{text}Hello, I am").as_str().into())?;
    ensure!(
        begun == continued,
        "{begun} tokens with a begun answer, {continued} of its text"
    );
    let takes = |schema: &str| [Tool::new("add", "Adds.").parameters(schema)];
    for (case, prompt) in [
        ("tools", conversation().tools(takes("[]")).into()),
        ("variables", conversation().variables("[1]").into()),
        (
            "own",
            conversation().variables(r#"{"bos_token": "x"}"#).into(),
        ),
        (
            "deep",
            conversation().tools(takes(&"[".repeat(5000))).into(),
        ),
        (
            "fields",
            Prompt::from(Message::user("x").with_fields(r#"{"content": "y"}"#)),
        ),
    ] {
        refused(case, &["invalid-argument"], session.generate(prompt))?;
    }
    ensure!(
        tokens([system, Message::user("Hi")].into())? == plain,
        "afterwards"
    );
    println!("ok");
    Ok(())
}
