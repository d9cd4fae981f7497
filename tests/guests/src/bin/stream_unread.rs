//! Promise: a generation that is not read for a while loses nothing.
//!
//! Arguments: the prompt, the number of tokens, and milliseconds to wait before reading.

use std::thread::sleep;
use std::time::Duration;

use mynah_test_guests::{Done, arg, context, ensure, greedy, prompt, read, run, start};

fn main() -> Done {
    let context = context()?;
    let (prompt, options) = (prompt(), greedy(arg(2, 64)));
    let at_once = run(&context, &prompt, options.clone())?;
    let generation = start(&context, &prompt, options)?;
    sleep(Duration::from_millis(arg(3, 500)));
    let later = read(&generation)?;
    ensure!(
        later.text() == at_once.text(),
        "{at_once:?} became {later:?}"
    );
    ensure!(
        later.reason() == at_once.reason(),
        "{at_once:?} became {later:?}"
    );
    later.print();
    Ok(())
}
