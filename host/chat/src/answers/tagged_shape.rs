//! The shape of arguments between tags.

use mynah_core::{Shape, Tool};

use super::format::Tagged;
use super::parameters::{Kind, Parameter, Parameters};
use super::pieces::text;
use super::shape::{all, any, optional};

/// The arguments of a tool by its schema: the required ones, and any of the others, in the order of
/// the schema.
///
/// # Errors
///
/// What of the schema cannot be enforced.
pub(super) fn arguments(format: &Tagged, tool: &Tool) -> Result<Shape, String> {
    let parameters = Parameters::enforceable(tool)?;
    let shapes = parameters.all.iter().map(|parameter| {
        let shape = argument(format, &parameters, parameter)?;
        Ok(match parameter.is_required {
            true => shape,
            false => optional(shape),
        })
    });
    Ok(all(shapes.collect::<Result<_, String>>()?))
}

fn argument(
    format: &Tagged,
    parameters: &Parameters,
    parameter: &Parameter,
) -> Result<Shape, String> {
    let end = &format.value.end;
    let (begin, value) = match parameter.kind() {
        Kind::Text => (&format.value.begin, text(parameter, end.trim())?),
        Kind::Json(_) | Kind::Unknown => {
            let begin = format.json_begin.as_ref().unwrap_or(&format.value.begin);
            (begin, Shape::Json(parameters.json(parameter)))
        }
    };
    let opening = [&format.key.begin, &parameter.name, &format.key.end, begin];
    let opening: String = opening.into_iter().map(String::as_str).collect();
    Ok(all(vec![
        Shape::Literal(opening),
        value,
        Shape::Literal(closing(end, parameter)),
    ]))
}

/// What ends a value. A text takes the white space before the marker along.
fn closing(end: &str, parameter: &Parameter) -> String {
    let is_free = parameter.kind() == Kind::Text && parameter.texts().is_none();
    match is_free {
        true => end.trim_start().to_owned(),
        false => end.to_owned(),
    }
}

/// Arguments of a tool whose schema is not enforced: those that it names as they come, each value
/// any text.
pub(super) fn any_arguments(format: &Tagged, tool: &Tool) -> Shape {
    let parameters = Parameters::of(tool);
    let end = &format.value.end;
    let shapes = parameters.all.iter().map(|parameter| {
        let json = format.json_begin.as_ref();
        let json = json.filter(|_| parameter.kind() != Kind::Text);
        let begin = json.unwrap_or(&format.value.begin);
        let opening = [&format.key.begin, &parameter.name, &format.key.end, begin];
        let opening: String = opening.into_iter().map(String::as_str).collect();
        all(vec![
            Shape::Literal(opening),
            Shape::Without(vec![end.trim().to_owned()]),
            Shape::Literal(end.trim_start().to_owned()),
        ])
    });
    let shapes: Vec<Shape> = shapes.collect();
    match shapes.is_empty() {
        true => Shape::All(Vec::new()),
        false => Shape::Repeat {
            shape: Box::new(any(shapes)),
            least: 0,
            most: None,
        },
    }
}
