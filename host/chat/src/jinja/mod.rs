//! A model's Jinja template, rendered within bounds.
//!
//! The template comes with the model file, and what it works on from a guest. `minijinja` counts
//! steps and the bytes that they make, which bounds time and memory. It does not bound how deep
//! values lie in each other, or a namespace that is put into itself, and what overflows the stack
//! then ends the process. So the template's tree gets a check around what makes a list or an object
//! ([`guarded`], [`values`]), its source is looked at before the parser nests it ([`source`]), and
//! all of it runs on a thread whose stack is large enough for the depths that are allowed.

mod builtins;
mod guarded;
mod json;
mod source;
#[cfg(test)]
mod tests;
mod values;

use std::thread;

use minijinja::machinery::{CodeGenerator, eval, make_string_output, parse};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Value};
use serde_json::{Map, Value as Json};

/// What a template may use: steps, or 64 bytes each that it writes or makes on the way. Real
/// templates take some hundred steps for a message, and make each of its bytes some times.
const FUEL: u64 = 4_000_000;

/// Further fuel for each byte that a prompt may have.
const FUEL_PER_BYTE: u64 = 1;

/// Stack of the thread that renders, of which nothing is in memory until it is used. The deepest
/// things that are allowed take about a quarter of it.
const STACK_BYTES: usize = 16 << 20;

/// Bytes of a reason that are told: a template chooses them with `raise_exception`.
const MAX_REASON: usize = 1024;

const NAME: &str = "chat template";

/// The bounds of a rendering.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Bytes of the whole text.
    pub(super) text: usize,
    /// A character that isn't counted in it.
    pub(super) mark: Option<char>,
}

/// What the template makes of the variables.
///
/// # Errors
///
/// What the template engine said, or the template itself (`raise_exception`), or which bound was
/// reached.
pub(super) fn render(
    source: &str,
    variables: &Map<String, Json>,
    bounds: Bounds,
) -> Result<String, String> {
    let source = source::checked(source)?;
    let text = thread::scope(|scope| {
        let rendering = thread::Builder::new()
            .name("chat-template".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || {
                let rendered = render_here(&source, variables, bounds);
                rendered.map_err(|error| describe(&error, bounds))
            });
        let rendering =
            rendering.map_err(|error| format!("no thread can be started for it: {error}"))?;
        // The engine's own assertions, should a template find one.
        let done = rendering.join();
        done.unwrap_or_else(|_| Err("the template engine failed on it".to_owned()))
    })?;
    let marks = bounds
        .mark
        .map_or(0, |mark| text.matches(mark).count() * mark.len_utf8());
    let most = bounds.text;
    if text.len() - marks > most {
        return Err(format!(
            "it makes more than {most} bytes of these messages: shorten them, or raise \
             `max_prompt_bytes`"
        ));
    }
    Ok(text)
}

fn render_here(
    source: &str,
    variables: &Map<String, Json>,
    bounds: Bounds,
) -> Result<String, Error> {
    let tree = parse(source, NAME, syntax()?)?;
    let tree = guarded::statement(&tree);
    let mut code = CodeGenerator::new(NAME, source);
    code.compile_stmt(&tree);
    let (instructions, blocks) = code.finish();
    let environment = environment(bounds);
    let mut text = String::new();
    let mut output = make_string_output(&mut text);
    let variables = Value::from(Serde(variables));
    eval(
        &environment,
        &instructions,
        variables,
        &blocks,
        &mut output,
        AutoEscape::None,
    )?;
    Ok(text)
}

/// As transformers sets Jinja up; templates are written for it.
fn syntax() -> Result<SyntaxConfig, Error> {
    SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
}

fn environment(bounds: Bounds) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(fuel(bounds)));
    guarded::install(&mut environment);
    builtins::install(&mut environment);
    environment
}

fn fuel(bounds: Bounds) -> u64 {
    FUEL.saturating_add(FUEL_PER_BYTE.saturating_mul(bounds.text as u64))
}

/// The error's own words: the long form would quote the messages, which are the guest's.
fn describe(error: &Error, bounds: Bounds) -> String {
    if error.kind() == ErrorKind::OutOfFuel {
        return format!(
            "it takes more than {} steps, of which each 64 bytes that it makes are one",
            fuel(bounds)
        );
    }
    let detail = error.detail().map(str::to_owned);
    let mut told = detail.unwrap_or_else(|| error.kind().to_string());
    if told.len() > MAX_REASON {
        let end = (0..=MAX_REASON)
            .rev()
            .find(|&end| told.is_char_boundary(end));
        told.truncate(end.unwrap_or(0));
        told.push_str(" ...");
    }
    let line = error.line().map(|line| format!(" (line {line})"));
    told + &line.unwrap_or_default()
}
