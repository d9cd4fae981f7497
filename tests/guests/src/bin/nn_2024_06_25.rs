//! Promise: a component that was built for `wasi:nn@0.2.0-rc-2024-06-25` runs, and gets the same
//! answers as one for the current version.

mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/older/nn-2024-06-25",
        world: "wasi:nn/ml@0.2.0-rc-2024-06-25",
        generate_all,
    });
}

use bindings::wasi::nn;
use mynah_test_guests::{Done, PROMPT, arg, ensure, older_snapshot};

older_snapshot!(nn);

/// Errors that the component itself creates, which only this snapshot allows.
fn own_errors() -> Done {
    let mine = Error::new(ErrorCode::Timeout, "mine");
    ensure!(
        mine.code() == ErrorCode::Timeout && mine.data() == "mine",
        "{:?}: {}",
        mine.code(),
        mine.data()
    );
    let long = Error::new(ErrorCode::Unknown, &"x".repeat(1 << 20));
    ensure!(
        long.code() == ErrorCode::Unknown && long.data().contains("at most"),
        "{} bytes of a text are kept",
        long.data().len()
    );
    Ok(())
}

fn main() -> Done {
    if arg(1, String::new()) == "check" {
        check()?;
        own_errors()?;
        println!("ok");
    } else {
        println!("{}", text(PROMPT, "{}")?);
    }
    Ok(())
}
