//! Promise: pieces are whole characters and never empty, however the model's tokens cut them.

use mynah_guest::{Options, Sampling};
use mynah_test_guests::{Done, arg, context, ensure, prompt, run};

fn main() -> Done {
    // Hot, so that rare tokens come, among them bytes of characters that are never finished.
    let hot = Sampling::new()
        .temperature(2.0)
        .top_k(0)
        .top_p(1.0)
        .min_p(0.0)
        .seed(arg(3, 1));
    let options = Options::from(hot).max_tokens(arg(2, 200)).into();
    // Text that a string holds is UTF-8 already; that the host did not trap on the way is the other
    // half.
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
