//! Promise: a priority above the operator's limit is refused wherever a guest can set one. The
//! limit here is `normal`.

use mynah_guest::{Model, Options, Priority};
use mynah_test_guests::bindings::wasi::nn::tensor::{Tensor, TensorType};
use mynah_test_guests::{Done, PROMPT, context, ensure, refused};

/// Two mistakes; the error names both.
const JSON: &str = r#"{"priority": "high", "temp": -1}"#;

fn tensor(text: &str) -> Tensor {
    let bytes = u32::try_from(text.len()).unwrap_or(u32::MAX);
    Tensor::new(&[bytes], TensorType::U8, text.as_bytes())
}

fn main() -> Done {
    let session = Model::load("default")?.session()?;
    let options = || Options::new().priority(Priority::High).temperature(-1.0);
    let inputs = vec![
        ("prompt".to_owned(), tensor(PROMPT)),
        ("config".to_owned(), tensor(JSON)),
    ];
    let computed = context()?.compute(inputs);
    let settings = &["invalid-settings"];
    let told = [
        refused("configure", settings, session.configure(options()))?,
        refused("json", settings, session.configure_json(JSON, false))?,
        refused(
            "load",
            settings,
            Model::load_with_config("default", JSON, false),
        )?,
        refused(
            "request",
            settings,
            session.generate_with(PROMPT, options()),
        )?,
        refused(
            "tensor",
            &["invalid-argument"],
            computed.map_err(mynah_guest::Error::from),
        )?,
    ];
    for message in told {
        ensure!(
            message.contains("`max_priority`") && message.contains("is -1"),
            "{message}"
        );
    }
    // An allowed priority is accepted.
    session.configure(Options::new().priority(Priority::Normal).max_tokens(1))?;
    session.generate(PROMPT)?;
    println!("ok");
    Ok(())
}
