//! The shapes of arguments in notations that are not JSON.

use mynah_core::{Shape, Tool};

use super::parameters::{Kind, Parameter, Parameters};
use super::shape::{all, any, literal, matching, optional};
use crate::data::Data;

/// Largest size of a list of arguments in which any of several may be the first, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// Rules for a text that a shape cannot express if the text has no quotes.
const RULES_FOR_TEXTS: [&str; 8] = [
    "pattern",
    "format",
    "minLength",
    "maxLength",
    "$ref",
    "allOf",
    "anyOf",
    "not",
];

/// A text without quotes, which ends before `end`.
///
/// # Errors
///
/// What of its schema cannot be enforced.
pub(super) fn text(parameter: &Parameter, end: &str) -> Result<Shape, String> {
    let name = &parameter.name;
    if let Some(texts) = parameter.texts() {
        let is_usable = |text: &&str| !text.is_empty() && !text.contains(end);
        let literals = texts.iter().filter(|text| is_usable(text));
        let literals: Vec<Shape> = literals
            .map(|one| Shape::Literal((*one).to_owned()))
            .collect();
        return match literals.len() == texts.len() {
            true => Ok(any(literals)),
            false => Err(format!(
                "`{name}` may be a text that this format cannot write"
            )),
        };
    }
    let rules = RULES_FOR_TEXTS.iter();
    let mut rules = rules.filter(|rule| parameter.schema.get(rule).is_some());
    match rules.next() {
        Some(rule) => Err(format!(
            "`{rule}` of `{name}`: the model writes this argument without quotes"
        )),
        None => Ok(Shape::Without(vec![end.to_owned()])),
    }
}

/// Python's keyword arguments in parentheses, by the tool's schema. Values are written as JSON,
/// which the parser reads as well.
///
/// # Errors
///
/// What of the schema cannot be enforced.
pub(super) fn python(tool: &Tool) -> Result<Shape, String> {
    let parameters = Parameters::enforceable(tool)?;
    let mut arguments = Vec::new();
    for parameter in &parameters.all {
        if !is_word(&parameter.name) {
            return Err(format!("`{}` is no name of a keyword", parameter.name));
        }
        let value = Shape::Json(parameters.json(parameter));
        let name = Shape::Literal(format!("{}=", parameter.name));
        arguments.push((all(vec![name, value]), parameter.is_required));
    }
    Ok(between("(", listed(&arguments, ", ")?, ")"))
}

/// Any keyword arguments.
pub(super) fn any_python() -> Shape {
    let name = matching("[A-Za-z_][A-Za-z0-9_]*=");
    let one = all(vec![name, Shape::Json("{}".to_owned())]);
    let more = Shape::Repeat {
        shape: Box::new(all(vec![Shape::Literal(", ".to_owned()), one.clone()])),
        least: 0,
        most: None,
    };
    between("(", optional(all(vec![one, more])), ")")
}

/// An object whose texts stand between two of `quote`, by the tool's schema.
///
/// # Errors
///
/// What of the schema cannot be enforced.
pub(super) fn marked(tool: &Tool, quote: &str) -> Result<Shape, String> {
    marked_object(&Parameters::enforceable(tool)?, quote)
}

fn marked_object(parameters: &Parameters, quote: &str) -> Result<Shape, String> {
    let mut arguments = Vec::new();
    for parameter in &parameters.all {
        let name = &parameter.name;
        if !is_word(name) {
            return Err(format!("`{name}` is no key without quotes"));
        }
        let key = Shape::Literal(format!("{name}:"));
        let value = match parameter.kind() {
            Kind::Text => between(quote, text(parameter, quote)?, quote),
            Kind::Json(_) | Kind::Unknown => marked_value(parameters, parameter, quote)?,
        };
        arguments.push((all(vec![key, value]), parameter.is_required));
    }
    Ok(between("{", listed(&arguments, ",")?, "}"))
}

/// A value that is no text.
fn marked_value(
    parameters: &Parameters,
    parameter: &Parameter,
    quote: &str,
) -> Result<Shape, String> {
    let schema = &parameter.schema;
    let kind = schema.get("type").and_then(Data::as_text);
    match (kind, schema.as_object()) {
        (Some("integer" | "number" | "boolean" | "null"), _) => {
            Ok(Shape::Json(parameters.json(parameter)))
        }
        (Some("object"), Some(of)) => {
            let inner = Parameters::of_schema(of).only_expressed()?;
            marked_object(&inner, quote)
        }
        _ => Err(format!(
            "the schema of `{}`: in this format only texts, numbers, truth values and objects of \
             them can be enforced",
            parameter.name
        )),
    }
}

/// Any object whose texts stand between two of `quote`. Only its end is enforced.
pub(super) fn any_marked(quote: &str) -> Shape {
    let text = between(quote, Shape::Without(vec![quote.to_owned()]), quote);
    let value = any(vec![
        text,
        Shape::Json(r#"{"type": ["number", "boolean", "null"]}"#.into()),
    ]);
    let one = all(vec![matching("[A-Za-z_][A-Za-z0-9_]*:"), value]);
    let more = Shape::Repeat {
        shape: Box::new(all(vec![Shape::Literal(",".to_owned()), one.clone()])),
        least: 0,
        most: None,
    };
    between("{", optional(all(vec![one, more])), "}")
}

/// Arguments with a separator between them; some of them may be left out.
fn listed(arguments: &[(Shape, bool)], separator: &str) -> Result<Shape, String> {
    let leading = arguments.iter().take_while(|(_, is_required)| !is_required);
    let leading = leading.count();
    // Each of the optional arguments before the first required one may be the first: each begins a
    // list of its own.
    let bytes: usize = arguments.iter().map(|(shape, _)| size(shape)).sum();
    if bytes.saturating_mul(leading + 1) > MAX_BYTES {
        return Err(format!(
            "{leading} optional arguments come before the first required one, which is too many \
             for their sizes: name required ones first"
        ));
    }
    let lists = (0..=leading).map(|first| {
        let mut rest = arguments.iter().skip(first);
        let Some((first, _)) = rest.next() else {
            return Shape::All(Vec::new());
        };
        let more = rest.map(|(shape, is_required)| {
            let shape = all([literal(separator), vec![shape.clone()]].concat());
            match is_required {
                true => shape,
                false => optional(shape),
            }
        });
        all([first.clone()].into_iter().chain(more).collect())
    });
    Ok(any(lists.collect()))
}

/// About how many bytes a shape takes.
fn size(shape: &Shape) -> usize {
    let inner = match shape {
        Shape::Literal(text) | Shape::Json(text) => text.len(),
        Shape::Without(texts) => texts.iter().map(String::len).sum(),
        Shape::Form(_) => 0,
        Shape::All(shapes) | Shape::Any(shapes) => shapes.iter().map(size).sum(),
        Shape::Repeat { shape, .. } => size(shape),
    };
    inner + size_of::<Shape>()
}

fn between(begin: &str, shape: Shape, end: &str) -> Shape {
    all([literal(begin), vec![shape], literal(end)].concat())
}

fn is_word(name: &str) -> bool {
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(is_of_word) && !name.starts_with(|c: char| c.is_numeric())
}
