//! Promise: pieces are whole characters and never empty, however the model's tokens cut them.

use mynah_test_guests::bindings::mynah::llm::generation::Options;
use mynah_test_guests::{Done, arg, context, ensure, prompt, run, unset};

fn main() -> Done {
    // Hot, so that rare tokens come, among them bytes of characters that are never finished.
    let options = Options {
        max_tokens: Some(arg(2, 200)),
        temperature: Some(2.0),
        seed: Some(arg(3, 1)),
        ..unset()
    };
    // Text that a string holds is UTF-8 already; that the host did not trap on the way is the other half.
    let answer = run(&context()?, &prompt(), options)?;
    let empty = answer
        .pieces
        .iter()
        .filter(|piece| piece.is_empty())
        .count();
    ensure!(
        empty == 0,
        "{empty} of {} pieces are empty",
        answer.pieces.len()
    );
    answer.print();
    println!("pieces={}", answer.pieces.len());
    Ok(())
}
