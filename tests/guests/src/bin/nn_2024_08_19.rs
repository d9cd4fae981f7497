//! Promise: a component that was built for `wasi:nn@0.2.0-rc-2024-08-19` runs, and gets the same
//! answers as one for the current version.

mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/older/nn-2024-08-19",
        world: "wasi:nn/ml@0.2.0-rc-2024-08-19",
        generate_all,
    });
}

use bindings::wasi::nn;
use mynah_test_guests::{Done, PROMPT, arg, older_snapshot};

older_snapshot!(nn);

fn main() -> Done {
    if arg(1, String::new()) == "check" {
        check()?;
        println!("ok");
    } else {
        println!("{}", text(PROMPT, "{}")?);
    }
    Ok(())
}
