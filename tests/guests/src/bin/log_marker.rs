//! Promise: any text of a component, well-formed or not, is processed or refused, and never appears
//! in the host's log. The host's test searches the log for it.

use mynah_guest::{Conversation, Error, Message, Model, Options, OutputForm, Stopping};
use mynah_test_guests::bindings::wasi::nn::graph::load_by_name;
use mynah_test_guests::{Done, arg, compute, context, greedy, output, refused, run, tensor};

fn main() -> Done {
    let marker: String = arg(1, "nothing".to_owned());
    let context = context()?;
    // The answer is printed, so that the text goes through stdout, too.
    println!("{marker}: {}", compute(&context, &marker)?);
    run(&context, &marker, greedy(4))?.print();

    let with = |config: &str| {
        let inputs = vec![
            ("config".to_owned(), tensor(config.as_bytes())),
            ("prompt".to_owned(), tensor(marker.as_bytes())),
        ];
        output(&context, inputs)
    };
    // Unusual, and accepted.
    with(&format!(
        r#"{{"stop": ["{marker}"], "{marker}": 1, "logging": {{"file": "{marker}", "content": true}}}}"#
    ))?;
    let long = marker.repeat(100);
    for config in [
        format!(r#"{{"temp": "{marker}"}}"#),
        format!(r#"{{"stop": "{long}"}}"#),
        format!(r#"{{"{marker}": "#),
        format!(r#"{{"logging": {{"level": "{marker}"}}}}"#),
        format!(r#"{{"json_schema": "{marker}"}}"#),
        format!(r#"{{"json_schema": {{"type": "{marker}"}}}}"#),
        format!(r#"{{"regex": "({marker}"}}"#),
        format!(r#"{{"grammar": "root ::= {marker}"}}"#),
        format!(r#"{{"lark": "start: {marker}"}}"#),
        marker.clone(),
    ] {
        refused("config", &["invalid-argument"], with(&config))?;
    }
    refused(
        "name",
        &["not-found"],
        load_by_name(&marker).map_err(Error::from),
    )?;
    refused("long", &[], compute(&context, &marker.repeat(5000)))?;

    let session = Model::load("default")?.session()?;
    refused(
        "document",
        &["invalid-settings"],
        session.configure_json(&format!(r#"{{"top_p": "{marker}"}}"#), true),
    )?;
    let options = |options: Options| options.max_tokens(2);
    refused(
        "form",
        &[],
        session.generate_with(
            marker.as_str(),
            options(Options::greedy().output(OutputForm::Regex(format!("({marker}")))),
        ),
    )?;
    refused(
        "stop",
        &["invalid-settings"],
        session.generate_with(marker.as_str(), Stopping::new().stop([long])),
    )?;
    // The test model's template takes a single message.
    let one = Conversation::new([Message::user(marker.as_str())]);
    session.generate_with(one, options(Options::greedy()))?;
    let two = Conversation::new([
        Message::user(marker.as_str()),
        Message::user(marker.as_str()),
    ]);
    refused(
        "template",
        &["invalid-argument"],
        session.generate_with(two, options(Options::greedy())),
    )?;
    Ok(())
}
