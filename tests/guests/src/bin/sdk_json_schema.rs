//! Promise: an answer in the form of a Rust type parses as the type. If the answer was cut short,
//! the error says why.

use mynah_guest::{Error, FinishReason, Model, Options, OutputForm, json_schema};
use mynah_test_guests::{Done, Failure, ensure};

/// What is asked for.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct City {
    /// Its name.
    #[schemars(length(max = 20))]
    name: String,
    /// The continent that it is on.
    continent: Continent,
    /// Millions of people, if known.
    #[schemars(range(max = 99))]
    millions: Option<u8>,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
enum Continent {
    Africa,
    America,
    Asia,
    Europe,
    Oceania,
}

const PROMPT: &str =
    "Paris is a city with a name, on a continent, with a number of people. As JSON:";

/// A plain struct, without attributes that help the model.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Ticket {
    severity: u8,
    is_bug: bool,
    area: Area,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
enum Area {
    Login,
    Payment,
    Search,
}

/// Newcomer 3.
fn plain_structs(model: &Model) -> Done {
    for report in [
        "I cannot log in.",
        "Please add a dark theme.",
        "The search is slow.",
    ] {
        let prompt = format!("A ticket: {report} Its severity, kind, area and tags as JSON:");
        let options = Options::from(json_schema::<Ticket>())
            .temperature(0.0)
            .max_tokens(200);
        let answer = model.session()?.generate_with(prompt, options)?;
        let ticket: Ticket = answer.json()?;
        let Ticket {
            severity,
            is_bug,
            area: Area::Login | Area::Payment | Area::Search,
        } = ticket;
        ensure!(
            !answer.text.contains('\n'),
            "{severity}, {is_bug}, {:?}",
            answer.text
        );
    }
    Ok(())
}

fn main() -> Done {
    let model = Model::load("default")?;
    plain_structs(&model)?;
    let session = model.session()?;
    let options = || Options::greedy().output(json_schema::<City>());
    let answer = session.generate_with(PROMPT, options().max_tokens(120))?;
    ensure!(
        answer.outcome.reason == FinishReason::EndOfGeneration,
        "{answer:?}"
    );
    let city: City = answer.json()?;
    println!("{city:?}");
    let most = city.millions.unwrap_or(0);
    ensure!(city.name.chars().count() <= 20 && most <= 99, "{city:?}");
    match city.continent {
        Continent::Africa
        | Continent::America
        | Continent::Asia
        | Continent::Europe
        | Continent::Oceania => {}
    }

    let cut = session.generate_with(PROMPT, options().max_tokens(3))?;
    match cut.json::<City>() {
        Err(Error::NotJson { message, text }) => ensure!(
            message.contains("max-tokens") && text == cut.text,
            "{message}, {text:?}"
        ),
        other => return Err(Failure(format!("{cut:?} was read as {other:?}"))),
    }

    // The session's form applies to a request until the request asks for no form.
    session.configure(json_schema::<City>())?;
    let free = Options::greedy().max_tokens(3);
    let formed = session.generate_with(PROMPT, free.clone())?;
    ensure!(formed.text == cut.text, "{formed:?}, {cut:?}");
    let free = session.generate_with(PROMPT, free.output(OutputForm::Free))?;
    ensure!(free.text != cut.text, "{free:?}");
    println!("ok");
    Ok(())
}
