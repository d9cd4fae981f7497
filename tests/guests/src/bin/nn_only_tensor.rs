//! Promise: a single tensor is the prompt, whatever its name.

use mynah_test_guests::{Done, compute, context, ensure, output, prompt, tensor};

fn main() -> Done {
    let context = context()?;
    let prompt = prompt();
    let text = output(&context, vec![("words".into(), tensor(prompt.as_bytes()))])?;
    let named = compute(&context, &prompt)?;
    ensure!(text == named, "{text:?} is not {named:?}");
    println!("{text}");
    Ok(())
}
