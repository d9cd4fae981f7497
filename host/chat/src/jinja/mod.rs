//! Renders a model's Jinja template within limits.
//!
//! The template comes with the model file, and its input from a guest. `minijinja` counts steps and
//! the bytes that they create, which limits time and memory. It limits neither the nesting of
//! values nor a namespace that contains itself, and the resulting stack overflow aborts the
//! process. Therefore the template's tree gets checks around what creates a list or an object
//! ([`guarded`], [`values`]), its source is checked before the parser nests it ([`source`]), and
//! everything runs on a thread whose stack is large enough for the allowed depths.

mod arguments;
mod builtins;
mod filters;
mod guarded;
mod json;
mod list;
mod methods;
mod number;
mod printf;
mod source;
mod strftime;
#[cfg(test)]
mod tests;
mod text;
mod values;

use std::thread;

use jiff::Zoned;
use minijinja::machinery::{CodeGenerator, eval, make_string_output, parse};
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Value};

pub(crate) use self::json::json_text;
use crate::data::{Data, Object};

/// Budget of a template: steps, or units of 64 bytes that it writes or creates on the way. Real
/// templates need a few hundred steps per message, and create each of its bytes a few times.
pub(super) const FUEL: u64 = 4_000_000;

/// Additional budget for each byte that a prompt may have.
const FUEL_PER_BYTE: u64 = 1;

/// Additional budget for each pair of messages: some templates look back from each message.
const FUEL_PER_PAIR: u64 = 16;

/// Maximum budget for pairs of messages.
const MAX_FUEL_FOR_PAIRS: u64 = 24_000_000;

/// Stack size of the rendering thread. Pages are only allocated when used. The deepest allowed
/// values need about a quarter of it.
const STACK_BYTES: usize = 16 << 20;

/// Maximum length of a reason in bytes: a template chooses it with `raise_exception`.
const MAX_REASON: usize = 1024;

const NAME: &str = "chat template";

/// The limits of a rendering.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    /// Maximum size of the whole text in bytes.
    pub(super) text: usize,
    /// A character that does not count.
    pub(super) mark: Option<char>,
    /// The time for `strftime_now`. `None` is the present.
    pub(super) now: Option<Zoned>,
    /// Budget of steps, in addition to that for the text and for pairs of messages.
    pub(super) steps: u64,
}

/// Renders the template with the variables.
///
/// # Errors
///
/// The error of the template engine or of the template itself (`raise_exception`), or the limit
/// that was reached.
pub(super) fn render(source: &str, variables: &Object, bounds: &Bounds) -> Result<String, String> {
    let source = source::checked(source)?;
    let text = thread::scope(|scope| {
        let rendering = thread::Builder::new()
            .name("chat-template".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || {
                let rendered = render_here(&source, variables, bounds);
                rendered.map_err(|error| describe(&error, fuel(variables, bounds)))
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

fn render_here(source: &str, variables: &Object, bounds: &Bounds) -> Result<String, Error> {
    let tree = parse(source, NAME, syntax()?)?;
    let tree = guarded::statement(&tree);
    let mut code = CodeGenerator::new(NAME, source);
    code.compile_stmt(&tree);
    let (instructions, blocks) = code.finish();
    let lists_grow = source.contains(".append");
    let environment = environment(bounds, fuel(variables, bounds), lists_grow);
    let mut text = String::new();
    let mut output = make_string_output(&mut text);
    let variables = variables.iter();
    let variables =
        Value::from_pairs(variables.map(|(name, value)| (name.as_str(), values::of(value))));
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

fn environment(bounds: &Bounds, fuel: u64, lists_grow: bool) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(fuel));
    environment.add_global(values::BYTE_PRICE, fuel.div_ceil(base_fuel(bounds)));
    guarded::install(&mut environment, lists_grow);
    builtins::install(&mut environment, bounds);
    environment
}

/// The budget for a conversation.
fn fuel(variables: &Object, bounds: &Bounds) -> u64 {
    let messages = variables.get("messages").and_then(Data::as_list);
    let messages = messages.map_or(0, <[Data]>::len) as u64;
    let pairs = messages.saturating_mul(messages);
    let for_pairs = pairs.saturating_mul(FUEL_PER_PAIR).min(MAX_FUEL_FOR_PAIRS);
    base_fuel(bounds).saturating_add(for_pairs)
}

/// The budget for a conversation of a few messages. It also limits the bytes of all conversations.
fn base_fuel(bounds: &Bounds) -> u64 {
    bounds
        .steps
        .saturating_add(FUEL_PER_BYTE.saturating_mul(bounds.text as u64))
}

/// The short form of an error. The long form would quote the messages, which are the guest's text.
fn describe(error: &Error, fuel: u64) -> String {
    if error.kind() == ErrorKind::OutOfFuel {
        return format!(
            "it takes more than {fuel} steps, of which each 64 bytes that it makes are one"
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
