//! Continues a text with `wasi:nn` alone, without the SDK. It runs on any host that serves a text
//! model through `wasi:nn`.

use std::ffi::OsString;
use std::process::ExitCode;

use lexopt::prelude::*;

use wasi::nn::errors::{Error, ErrorCode};
use wasi::nn::graph::load_by_name;
use wasi::nn::tensor::{Tensor, TensorType};

// The repository's copy of the interfaces. A guest elsewhere has its own folder with `wasi-nn.wit`,
// and names that folder here.
wit_bindgen::generate!({
    path: "../../../wit/deps/nn",
    world: "ml",
});

const USAGE: &str = "\
Usage: complete [--model NAME] PROMPT...

Continues PROMPT (words are joined with spaces) and prints the continuation.

  --model NAME  the model, by the name under which it was granted [default: default]
  -h, --help    this text";

fn main() -> ExitCode {
    let (model, prompt) = match arguments() {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("complete: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match complete(&model, &prompt) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("complete: {}: {}", name(error.code()), error.data());
            ExitCode::FAILURE
        }
    }
}

/// Computes with the prompt as the input tensor and returns the output tensor as text.
fn complete(model: &str, prompt: &str) -> Result<String, Error> {
    let context = load_by_name(model)?.init_execution_context()?;
    let bytes = prompt.as_bytes();
    let shape = [u32::try_from(bytes.len()).unwrap_or(u32::MAX)];
    let input = Tensor::new(&shape, TensorType::U8, bytes);
    let outputs = context.compute(vec![("prompt".to_owned(), input)])?;
    let output = outputs.into_iter().find(|(name, _)| name == "output");
    let text = output.map(|(_, tensor)| tensor.data()).unwrap_or_default();
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The model's name and the prompt; `None` for help.
fn arguments() -> Result<Option<(String, String)>, lexopt::Error> {
    let mut model = "default".to_owned();
    let mut words = Vec::new();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(None),
            Long("model") => model = parser.value()?.string()?,
            Value(word) => words.push(word),
            _ => return Err(argument.unexpected()),
        }
    }
    if words.is_empty() {
        return Err("no prompt was given".into());
    }
    let prompt = words.join(&OsString::from(" ")).string()?;
    Ok(Some((model, prompt)))
}

/// The code in the spelling of `wasi:nn`.
fn name(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::InvalidArgument => "invalid-argument",
        ErrorCode::InvalidEncoding => "invalid-encoding",
        ErrorCode::Timeout => "timeout",
        ErrorCode::RuntimeError => "runtime-error",
        ErrorCode::UnsupportedOperation => "unsupported-operation",
        ErrorCode::TooLarge => "too-large",
        ErrorCode::NotFound => "not-found",
        ErrorCode::Security => "security",
        ErrorCode::Unknown => "unknown",
    }
}
