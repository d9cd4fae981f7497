//! Code that the test guests share: arguments, raw calls with readable errors, and reading a
//! generation to its end.
//!
//! A guest prints what its host test compares, and exits with 0 if its expectations hold. A failed
//! expectation is a [`Failure`]: a message on stderr and exit code 1. A trap is never a failed
//! expectation.

mod exit;
mod older;

use std::fmt;
use std::str::FromStr;

use mynah_guest::bindings::mynah::llm::generation::{self, Event, Generation, Prompt};
use mynah_guest::bindings::mynah::llm::settings::Settings;
use mynah_guest::bindings::wasi::nn::graph::{Graph, load_by_name};
use mynah_guest::bindings::wasi::nn::inference::GraphExecutionContext;
use mynah_guest::bindings::wasi::nn::tensor::{Tensor, TensorType};
use mynah_guest::{Error, FinishReason, Outcome, Result, ToolCall};

pub use exit::exit_with_code;
pub use mynah_guest::bindings;

/// A prompt that a small model can continue.
pub const PROMPT: &str = "The capital of France is";

/// The result of a guest's `main`.
pub type Done = std::result::Result<(), Failure>;

/// A failed expectation.
pub struct Failure(pub String);

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Fails the guest with the evidence unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($evidence:tt)+) => {
        if !$condition {
            return Err($crate::Failure(format!($($evidence)+)));
        }
    };
}

/// Argument number `index`, from 1, or the default. Exits with 1 if it cannot be parsed: a test
/// that passes a wrong argument must not pass.
pub fn arg<T: FromStr>(index: usize, default: T) -> T {
    let Some(text) = std::env::args().nth(index) else {
        return default;
    };
    text.parse().unwrap_or_else(|_| {
        eprintln!("argument {index} is `{text}`");
        std::process::exit(1)
    })
}

/// The prompt: the first argument, or [`PROMPT`].
pub fn prompt() -> String {
    arg(1, PROMPT.to_owned())
}

/// The model that every test grants.
pub fn graph() -> Result<Graph> {
    Ok(load_by_name("default")?)
}

/// An execution context of that model.
pub fn context() -> Result<GraphExecutionContext> {
    Ok(graph()?.init_execution_context()?)
}

/// Text in a one-dimensional u8 tensor.
pub fn tensor(text: &[u8]) -> Tensor {
    Tensor::new(&[text.len() as u32], TensorType::U8, text)
}

/// Completes a prompt through `wasi:nn`.
pub fn compute(context: &GraphExecutionContext, prompt: &str) -> Result<String> {
    output(
        context,
        vec![("prompt".to_owned(), tensor(prompt.as_bytes()))],
    )
}

/// The output tensor for these inputs as text.
pub fn output(context: &GraphExecutionContext, inputs: Vec<(String, Tensor)>) -> Result<String> {
    let outputs = context.compute(inputs)?;
    let names: Vec<&str> = outputs.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["output"], "names of the outputs");
    Ok(String::from_utf8_lossy(&outputs[0].1.data()).into_owned())
}

/// Greedy sampling with at most this number of tokens.
pub fn greedy(max_tokens: u32) -> Settings {
    mynah_guest::Options::greedy().max_tokens(max_tokens).into()
}

/// Settings with nothing set.
pub fn unset() -> Settings {
    mynah_guest::Options::new().into()
}

/// Starts a generation from text.
pub fn start(context: &GraphExecutionContext, text: &str, options: Settings) -> Result<Generation> {
    start_with(context, &Prompt::Text(text.to_owned()), options)
}

/// Starts a generation.
pub fn start_with(
    context: &GraphExecutionContext,
    prompt: &Prompt,
    options: Settings,
) -> Result<Generation> {
    Ok(generation::start(context, prompt, &options)?)
}

/// The events of a generation.
#[derive(Debug, Default, Clone)]
pub struct Answer {
    /// Each piece of text.
    pub pieces: Vec<String>,
    /// The reasoning.
    pub reasoning: String,
    /// Each call of a tool.
    pub calls: Vec<ToolCall>,
    /// Each reported token.
    pub tokens: Vec<generation::TokenProbs>,
    /// The end, once it has arrived.
    pub outcome: Option<Outcome>,
}

impl Answer {
    /// Adds events.
    pub fn add(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Token(token) => self.tokens.push(token),
                Event::Reasoning(piece) => self.reasoning.push_str(&piece),
                Event::Text(piece) => self.pieces.push(piece),
                Event::ToolCallStart(start) => self.calls.push(ToolCall {
                    id: start.id,
                    name: start.name,
                    arguments: String::new(),
                }),
                Event::ToolCallArguments(piece) => {
                    let call = self.calls.get_mut(piece.index as usize);
                    let call = call.expect("arguments without a call");
                    call.arguments.push_str(&piece.text);
                }
                Event::Finished(outcome) => self.outcome = Some(outcome.into()),
            }
        }
    }

    /// The text so far.
    pub fn text(&self) -> String {
        self.pieces.concat()
    }

    /// The reason for the end.
    pub fn reason(&self) -> Option<FinishReason> {
        self.outcome.as_ref().map(|outcome| outcome.reason)
    }

    /// Number of generated tokens.
    pub fn tokens(&self) -> Option<u32> {
        self.outcome.as_ref().map(|o| o.usage.generated_tokens)
    }

    /// Prints the text, and on the next line `finish=… tokens=… prompt=…`.
    pub fn print(&self) {
        println!("{}", self.text());
        match &self.outcome {
            Some(Outcome { reason, usage, .. }) => println!(
                "finish={reason} tokens={} prompt={}",
                usage.generated_tokens, usage.prompt_tokens
            ),
            None => println!("finish=none"),
        }
    }
}

/// Reads a generation to its end.
pub fn read(generation: &Generation) -> Result<Answer> {
    let mut answer = Answer::default();
    while answer.outcome.is_none() {
        let events = generation.next()?;
        if events.is_empty() {
            break;
        }
        answer.add(events);
    }
    Ok(answer)
}

/// Starts a generation from text and reads it to its end.
pub fn run(context: &GraphExecutionContext, text: &str, options: Settings) -> Result<Answer> {
    read(&start(context, text, options)?)
}

/// The error's name in the contract.
pub fn kind(error: &Error) -> &'static str {
    match error {
        Error::InvalidArgument(_) => "invalid-argument",
        Error::InvalidSettings(_) => "invalid-settings",
        Error::NotFound(_) => "not-found",
        Error::NotJson { .. } => "not-json",
        Error::PromptTooLong { .. } => "prompt-too-long",
        Error::PromptTooLarge(_) => "prompt-too-large",
        Error::Busy { .. } => "busy",
        Error::Timeout(_) => "timeout",
        Error::Unsupported(_) => "unsupported",
        Error::Unavailable { .. } => "unavailable",
        Error::RuntimeError { .. } => "runtime-error",
        Error::RunLimit { .. } => "run-limit",
        Error::Nn { code, .. } => code.as_str(),
        _ => "other",
    }
}

/// Prints `case: kind: message` on one line and returns the message. Fails if the call succeeded,
/// or if the kind of its error is not in `kinds`. An empty `kinds` allows any.
pub fn refused<T>(
    case: &str,
    kinds: &[&str],
    result: Result<T>,
) -> std::result::Result<String, Failure> {
    let Err(error) = result else {
        return Err(Failure(format!("{case}: was not refused")));
    };
    let message = match &error {
        Error::Nn { message, .. } => message.clone(),
        other => other.to_string(),
    };
    let kind = kind(&error);
    println!("{case}: {kind}: {}", message.replace('\n', "\\n"));
    ensure!(
        kinds.is_empty() || kinds.contains(&kind),
        "{case}: {kind} is none of {kinds:?}: {message}"
    );
    ensure!(!message.is_empty(), "{case}: {kind} without a message");
    Ok(message)
}
