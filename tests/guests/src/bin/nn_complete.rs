//! Promise: a prompt in the tensor `prompt` gives its continuation in the tensor `output`.

use mynah_test_guests::{Done, compute, context, prompt};

fn main() -> Done {
    println!("{}", compute(&context()?, &prompt())?);
    Ok(())
}
