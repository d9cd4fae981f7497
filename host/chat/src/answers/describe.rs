//! Tells an operator what was found.

use std::fmt;

use mynah_core::{Shape, Tool, ToolChoice, Tools};
use serde::Serialize;

use super::format::{AnswerFormat, Body, Notation, Origin};
use super::shape::{Reasoning, Wanted};

/// How a model writes reasoning and calls, for an operator. [`Display`](fmt::Display) says it in
/// words, a line each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Description {
    /// The name of the format, or `found`.
    pub format: String,
    /// Where the description comes from.
    pub origin: Origin,
    /// What begins and ends reasoning, if the model reasons.
    pub reasoning: Option<(String, String)>,
    /// How the arguments of a call are written.
    pub arguments: &'static str,
    /// A call, with dots in place of what the model fills in.
    pub call: String,
    /// Whether an answer may have several calls.
    pub parallel: bool,
}

impl AnswerFormat {
    /// What was found, for an operator.
    #[must_use]
    pub fn describe(&self) -> Description {
        let tools = Tools {
            list: vec![Tool {
                name: "NAME".to_owned(),
                description: None,
                parameters: Some(EXAMPLE.to_owned()),
                strict: true,
            }],
            choice: ToolChoice::Required,
            parallel: false,
        };
        let call = self.shape(&Wanted {
            tools: &tools,
            form: None,
            reasoning: Reasoning::Absent,
        });
        let mut example = String::new();
        call.iter().for_each(|call| write(call, &mut example));
        let reasoning = self.reasoning();
        Description {
            format: self.name().to_owned(),
            origin: self.origin(),
            reasoning: reasoning.map(|(begin, end)| (begin.to_owned(), end.to_owned())),
            arguments: match &self.calls.body {
                Body::Object(_) => "in a JSON object with the name",
                Body::Tagged(_) => "between tags",
                Body::Named(named) => match &named.notation {
                    Notation::Json => "as JSON behind the name",
                    Notation::Python => "as in Python",
                    Notation::Marked(_) => "with keys without quotes",
                },
            },
            call: example,
            parallel: !self.calls.is_single,
        }
    }
}

/// The arguments of the example.
const EXAMPLE: &str =
    r#"{"type": "object", "properties": {"KEY": {"type": "string"}}, "required": ["KEY"]}"#;

/// Writes an example of a shape.
fn write(shape: &Shape, out: &mut String) {
    match shape {
        Shape::Literal(text) => out.push_str(text),
        Shape::Json(schema) if schema == EXAMPLE => out.push_str("{\"KEY\": …}"),
        Shape::Without(_) | Shape::Json(_) | Shape::Form(_) => out.push('…'),
        Shape::All(shapes) => shapes.iter().for_each(|shape| write(shape, out)),
        Shape::Any(shapes) => shapes.iter().take(1).for_each(|shape| write(shape, out)),
        Shape::Repeat { shape, least, .. } => (0..*least).for_each(|_| write(shape, out)),
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reasoning {
            Some((begin, end)) => writeln!(f, "reasoning: from {begin} to {end}")?,
            None => writeln!(f, "reasoning: none is known")?,
        }
        let number = match self.parallel {
            true => "several",
            false => "one",
        };
        let Self {
            arguments, origin, ..
        } = self;
        writeln!(
            f,
            "calls: {origin}; {number} in an answer; arguments {arguments}"
        )?;
        f.write_str("a call: ")?;
        // The file chooses the text, and a terminal may read control characters as commands.
        self.call.chars().try_for_each(|c| match c.is_control() {
            true => write!(f, "{}", c.escape_debug()),
            false => write!(f, "{c}"),
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Compared => "found by comparing what the template renders",
            Self::Recognised => "recognised by the markers in the template",
            Self::Chosen => "chosen by the operator",
            Self::Fallback => "described in the system message: the template takes no tools",
            Self::Assumed => "assumed: the template does not show them, so choose a format by name",
        })
    }
}
