//! Promise: all prompts of a list are answered even if the host serves fewer at once, and a failed
//! prompt does not affect the others. A prompt may have options of its own.

use mynah_guest::{Error, Model, Options};
use mynah_test_guests::{Done, ensure};

fn main() -> Done {
    let model = Model::load("default")?;
    let mut prompts: Vec<String> = (0..30).map(|n| format!("number {n}")).collect();
    prompts[7] = String::new();
    let mut seen = vec![0; prompts.len()];
    let options = Options::greedy().max_tokens(6);
    for (index, answer) in model.answer_all(prompts, options, 12) {
        seen[index] += 1;
        match answer {
            Ok(answer) => ensure!(
                index != 7 && answer.outcome.usage.generated_tokens == 6,
                "{index}: {answer:?}"
            ),
            Err(Error::InvalidArgument(_)) if index == 7 => {}
            Err(error) => ensure!(false, "{index}: {error}"),
        }
    }
    ensure!(seen.iter().all(|&times| times == 1), "{seen:?}");

    let own = (0..8u32).map(|n| (format!("number {n}"), Options::new().max_tokens(1 + n)));
    let mut lengths = [0; 8];
    for (index, answer) in model.answer_all(own, Options::greedy().max_tokens(99), 3) {
        lengths[index] = answer?.outcome.usage.generated_tokens;
    }
    ensure!(lengths == [1, 2, 3, 4, 5, 6, 7, 8], "{lengths:?}");
    println!("ok");
    Ok(())
}
