//! Promise: the same seed gives the same text, and another seed another text. Without a seed the
//! host draws a new one each time and reports it.

use mynah_guest::{Options, Sampling, Seed};
use mynah_test_guests::{Done, arg, context, ensure, prompt, run};

fn main() -> Done {
    let context = context()?;
    let prompt = prompt();
    let max_tokens = arg(2, 32);
    let answer = |seed| {
        let options = Options::new().max_tokens(max_tokens).temperature(1.0);
        let options = match seed {
            Some(seed) => options.seed(seed),
            None => options.sampling(Sampling::new().seed(Seed::Random)),
        };
        run(&context, &prompt, options.into())
    };
    let text = |seed| answer(seed).map(|answer| answer.text());
    let first = text(Some(1))?;
    let again = text(Some(1))?;
    ensure!(first == again, "seed 1: {first:?} and {again:?}");
    let other = text(Some(2))?;
    ensure!(first != other, "seeds 1 and 2 both: {first:?}");
    let (drawn, redrawn) = (answer(None)?, answer(None)?);
    ensure!(
        drawn.text() != redrawn.text(),
        "without a seed, twice: {drawn:?}"
    );
    let seed = drawn.outcome.as_ref().map(|outcome| outcome.seed);
    let repeated = answer(seed)?;
    ensure!(
        repeated.text() == drawn.text() && seed.is_some(),
        "the seed that was told, {seed:?}: {repeated:?} and {drawn:?}"
    );
    println!("ok");
    Ok(())
}
