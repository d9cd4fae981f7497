//! Promise: pieces consist of whole characters and are never empty, even if a token ends within a
//! character.

use mynah_guest::{Options, Sampling};
use mynah_test_guests::{Done, arg, context, ensure, prompt, run};

fn main() -> Done {
    // A high temperature, for rare tokens, including bytes of characters that are never completed.
    let hot = Sampling::new()
        .temperature(2.0)
        .top_k(0)
        .top_p(1.0)
        .min_p(0.0)
        .seed(arg(3, 1));
    let options = Options::from(hot).max_tokens(arg(2, 200)).into();
    // A string is always UTF-8. The other half of the promise is that the host did not trap.
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
