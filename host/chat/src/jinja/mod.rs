//! Renders a model's Jinja template within limits.
//!
//! The template comes with the model file, and its input from a guest. `minijinja` counts steps and
//! the bytes that they create, which limits time and memory. It limits neither the nesting of
//! values nor a namespace that contains itself, and the resulting stack overflow aborts the
//! process. Therefore the template's tree gets checks around what creates a list or an object
//! ([`guarded`], [`values`]), its source is checked before the parser nests it ([`source`]), and
//! everything runs on a thread whose stack is large enough for the allowed depths.

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

/// Budget of a template: steps, or units of 64 bytes that it writes or creates on the way. Real
/// templates need a few hundred steps per message, and create each of its bytes a few times.
const FUEL: u64 = 4_000_000;

/// Additional budget for each byte that a prompt may have.
const FUEL_PER_BYTE: u64 = 1;

/// Stack size of the rendering thread. Pages are only allocated when used. The deepest allowed
/// values need about a quarter of it.
const STACK_BYTES: usize = 16 << 20;

/// Maximum length of a reason in bytes: a template chooses it with `raise_exception`.
const MAX_REASON: usize = 1024;

const NAME: &str = "chat template";

/// The limits of a rendering.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Maximum size of the whole text in bytes.
    pub(super) text: usize,
    /// A character that does not count.
    pub(super) mark: Option<char>,
}

/// Renders the template with the variables.
///
/// # Errors
///
/// The error of the template engine or of the template itself (`raise_exception`), or the limit
/// that was reached.
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
        // A failed assertion of the engine itself.
        let done = rendering.join();
        done.unwrap_or_else(|_| Err("the template engine failed on it".to_owned()))
    })?;
    let marks = bounds
        .mark
        .map_or(0, |mark| text.matches(mark).count() * mark.len_utf8());
    let most = bounds.text;
    if text.len() - marks > most {
        return Err(format!(
            "it makes more than {most} bytes of these messages: shorten them, or have the operator \
             raise `max_prompt_bytes`"
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

/// Jinja's syntax options in transformers, for which templates are written.
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

/// The short form of an error. The long form would quote the messages, which are the guest's text.
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
