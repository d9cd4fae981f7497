//! Promise: a deterministic request gives the same text whatever else the model is doing. Prints
//! the text.
//!
//! Arguments: the prompt, the number of tokens of the answer, the priority.

use mynah_guest::{Options, Priority};
use mynah_test_guests::{Done, arg, context, prompt, run};

fn main() -> Done {
    let priority = match arg(3, "normal".to_owned()).as_str() {
        "low" => Priority::Low,
        "urgent" => Priority::Urgent,
        _ => Priority::Normal,
    };
    let options = Options::greedy()
        .max_tokens(arg(2, 24))
        .priority(priority)
        .deterministic(true);
    println!("{}", run(&context()?, &prompt(), options.into())?.text());
    Ok(())
}
