//! Extracts an event from a text as a JSON object. The host restricts the model's answer to that
//! form.

use std::io::Read;

use mynah_guest::{Message, Model, Options, Reasoning, json_schema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is taken from a text. The schema of this type is the form of the answer.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Event {
    /// What happens.
    #[schemars(length(max = 80))]
    title: String,
    /// Where, if the text says so.
    #[schemars(length(max = 80))]
    place: Option<String>,
    /// Who takes part.
    #[schemars(length(max = 5), inner(length(max = 40)))]
    people: Vec<String>,
}

const INSTRUCTIONS: &str =
    "You read a text and answer with a JSON object: the event's title, its place, and the people.";

fn main() -> mynah_guest::Result<()> {
    // The text is the argument, or stdin without one.
    let text = match std::env::args().nth(1) {
        Some(text) => text,
        None => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            text
        }
    };
    // A model that thinks does so before the object, and both count as tokens.
    let options = Options::greedy()
        .output(json_schema::<Event>())
        .reasoning(Reasoning::new().budget(1000))
        .max_tokens(1300);
    let session = Model::load("default")?.session()?.with_options(options);
    let answer = session.generate([Message::system(INSTRUCTIONS), Message::user(text)])?;
    // Fails if the answer was cut short and is not a complete object.
    let event: Event = answer.json()?;
    println!(
        "{}",
        serde_json::to_string_pretty(&event).unwrap_or(answer.text)
    );
    Ok(())
}
