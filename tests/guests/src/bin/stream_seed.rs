//! Promise: the same seed gives the same text, another seed another one, and no seed a new one each time.

use mynah_test_guests::bindings::mynah::llm::generation::Options;
use mynah_test_guests::{Done, arg, context, ensure, prompt, run, unset};

fn main() -> Done {
    let context = context()?;
    let prompt = prompt();
    let max_tokens = arg(2, 32);
    let text = |seed| {
        let options = Options {
            max_tokens: Some(max_tokens),
            temperature: Some(1.0),
            seed,
            ..unset()
        };
        run(&context, &prompt, options).map(|answer| answer.text())
    };
    let first = text(Some(1))?;
    let again = text(Some(1))?;
    ensure!(first == again, "seed 1: {first:?} and {again:?}");
    let other = text(Some(2))?;
    ensure!(first != other, "seeds 1 and 2 both: {first:?}");
    let (drawn, redrawn) = (text(None)?, text(None)?);
    ensure!(drawn != redrawn, "without a seed, twice: {drawn:?}");
    println!("ok");
    Ok(())
}
