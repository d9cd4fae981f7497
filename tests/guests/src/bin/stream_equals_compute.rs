//! Promise: greedy text is the same whether it is computed, streamed or polled. The operator set
//! the model to greedy sampling.

use mynah_guest::{Error, Model, Options};
use mynah_test_guests::bindings::mynah::llm::settings::Settings;
use mynah_test_guests::{Answer, Done, compute, context, ensure, prompt, run, start};

fn main() -> Done {
    let context = context()?;
    let prompt = prompt();
    // All settings but the temperature are the operator's, as they are for `compute`.
    let greedy = Settings::from(Options::greedy());
    let computed = compute(&context, &prompt)?;
    let streamed = run(&context, &prompt, greedy.clone())?.text();
    ensure!(
        computed == streamed,
        "computed {computed:?}, streamed {streamed:?}"
    );

    let generation = start(&context, &prompt, greedy)?;
    let mut polled = Answer::default();
    while polled.outcome.is_none() {
        match generation.poll_next().map_err(Error::from)? {
            Some(events) => polled.add(events),
            None => generation.subscribe().block(),
        }
    }
    let polled = polled.text();
    ensure!(
        computed == polled,
        "computed {computed:?}, polled {polled:?}"
    );

    let session = Model::load("default")?.session()?;
    let whole = session.generate_with(prompt, Options::greedy())?.text;
    ensure!(
        computed == whole,
        "computed {computed:?}, generated {whole:?}"
    );
    println!("{computed}");
    Ok(())
}
