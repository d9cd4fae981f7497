//! Promise: a component can use two versions of the contract at once, with the same execution
//! context.

use mynah_test_guests::bindings::wasi::nn::inference::GraphExecutionContext;
use mynah_test_guests::{Done, Failure, PROMPT, context, ensure, greedy, run};

/// A version 0.3.0 made for this test, beside the SDK's version.
mod next {
    wit_bindgen::generate!({
        path: ["../../wit/deps/io", "../../wit/deps/nn", "../next"],
        world: "mynah:llm/next@0.3.0",
        with: {
            "wasi:nn/tensor@0.2.0-rc-2024-10-28": mynah_test_guests::bindings::wasi::nn::tensor,
            "wasi:nn/errors@0.2.0-rc-2024-10-28": mynah_test_guests::bindings::wasi::nn::errors,
            "wasi:nn/inference@0.2.0-rc-2024-10-28":
                mynah_test_guests::bindings::wasi::nn::inference,
        },
        generate_all,
    });
}

fn main() -> Done {
    let context: GraphExecutionContext = context()?;
    let first = run(&context, PROMPT, greedy(3))?;
    ensure!(first.outcome.is_some(), "{first:?}");

    let second = next::mynah::llm::generation::start(&context, PROMPT).map_err(Failure)?;
    let outcome = second.finish();
    ensure!(
        outcome.text == PROMPT && outcome.joules == Some(1.5),
        "{outcome:?}"
    );

    let third = run(&context, PROMPT, greedy(3))?;
    ensure!(third.text() == first.text(), "{first:?}, then {third:?}");
    println!("ok");
    Ok(())
}
