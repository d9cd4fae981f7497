//! Promise: a component that only uses `wasi:nn` can set sampling with an input tensor named
//! `config`.

use mynah_test_guests::bindings::wasi::nn::inference::GraphExecutionContext;
use mynah_test_guests::bindings::wasi::nn::tensor::{Tensor, TensorType};
use mynah_test_guests::{Done, PROMPT, context, ensure, refused};

fn tensor(text: &str) -> Tensor {
    let bytes = u32::try_from(text.len()).unwrap_or(u32::MAX);
    Tensor::new(&[bytes], TensorType::U8, text.as_bytes())
}

fn compute(context: &GraphExecutionContext, config: &str) -> mynah_guest::Result<String> {
    let inputs = vec![
        ("config".to_owned(), tensor(config)),
        ("prompt".to_owned(), tensor(PROMPT)),
    ];
    let outputs = context.compute(inputs)?;
    let text = outputs.into_iter().next().map(|(_, output)| output.data());
    Ok(String::from_utf8_lossy(&text.unwrap_or_default()).into_owned())
}

fn main() -> Done {
    let context = context()?;
    let long = compute(&context, r#"{"temp": 0, "n-predict": 12, "unheard-of": 1}"#)?;
    let short = compute(
        &context,
        r#"{"sampling": {"temp": 0}, "stopping": {"max_tokens": 3}}"#,
    )?;
    ensure!(
        long.starts_with(&short) && long.len() > short.len(),
        "{long:?} and {short:?}"
    );
    let stopped = compute(
        &context,
        &format!(r#"{{"temp": 0, "reverse-prompt": {short:?}}}"#),
    )?;
    ensure!(stopped.is_empty(), "{stopped:?}");

    let message = refused(
        "bad",
        &["invalid-argument"],
        compute(&context, r#"{"temp": -1, "top_p": 7}"#),
    )?;
    for words in ["`temp` is -1", "`top_p` is 7"] {
        ensure!(message.contains(words), "{message}");
    }
    for junk in ["", "{", "[1]"] {
        refused("junk", &["invalid-argument"], compute(&context, junk))?;
    }
    // A single tensor is the prompt, whatever its name. Two tensors with the same name are refused.
    let twice = vec![
        ("config".to_owned(), tensor("{}")),
        ("config".to_owned(), tensor("{}")),
    ];
    refused(
        "twice",
        &["invalid-argument"],
        context.compute(twice).map_err(mynah_guest::Error::from),
    )?;
    println!("ok");
    Ok(())
}
