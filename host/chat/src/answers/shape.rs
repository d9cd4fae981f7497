//! The shape that forces an answer to be what the parser reads: made from the same description.

use mynah_core::{Shape, Tool, ToolChoice, Tools};
use mynah_settings::OutputForm;

use super::format::{AnswerFormat, Around, Body, Calls, Keys, Named, NamedId, Notation};
use super::{pieces, tagged_shape};
use crate::data::Data;
use crate::jinja;

/// What the reasoning of an answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reasoning {
    /// There is none.
    Absent,
    /// The answer may begin with it.
    Possible,
    /// The prompt has opened it.
    Open,
}

/// What an answer is wanted to be.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The tools, and whether they must be called.
    pub tools: &'a Tools,
    /// The form of the answer without calls.
    pub form: Option<&'a OutputForm>,
    /// What the reasoning may be. The form begins behind it.
    pub reasoning: Reasoning,
}

/// A tool whose schema the shape does not enforce, although the request asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotEnforced {
    /// The name of the tool.
    pub tool: String,
    /// What of its schema is not enforced, and why.
    pub reason: String,
}

impl AnswerFormat {
    /// The shape of an answer, or `None` if any text will do.
    ///
    /// With tools and the choice `Auto`: any text, then calls; once the text has the marker of a
    /// call, a call follows. `Required` and `Named`: calls alone. `None`: text without the marker
    /// of a call. Arguments fit the tool's schema where the tool is strict or a call is required,
    /// as far as [`not_enforced`](Self::not_enforced) has nothing to say; otherwise they are any
    /// JSON object.
    ///
    /// A tool that is named must be one of the tools.
    ///
    /// A form without tools: the form, behind the reasoning. With tools: the form or calls.
    #[must_use]
    pub fn shape(&self, wanted: &Wanted<'_>) -> Option<Shape> {
        let tools = wanted.tools;
        let has_tools = !tools.list.is_empty();
        let form = wanted.form.map(|form| self.form(form));
        let answer = match &tools.choice {
            _ if !has_tools => form?,
            ToolChoice::None => form.unwrap_or_else(|| self.free_text(tools)),
            ToolChoice::Auto => match form {
                Some(form) => Shape::Any(vec![form, self.calls(tools)]),
                None => self.text_then_calls(tools),
            },
            ToolChoice::Required | ToolChoice::Named(_) => self.calls(tools),
        };
        let mut parts = self.reasoning_shape(wanted.reasoning);
        parts.push(answer);
        Some(all(parts))
    }

    /// The tools whose schema the request asks to be enforced, which [`shape`](Self::shape) cannot
    /// do in this format. A request for them should be refused. What a schema says in a part that
    /// is written as JSON is not judged here: the compiler of the grammar refuses what it lacks.
    #[must_use]
    pub fn not_enforced(&self, tools: &Tools) -> Vec<NotEnforced> {
        let tools = callable(tools).filter(|tool| is_enforced(tool, tools));
        let refused = tools.filter_map(|tool| {
            let reason = match &self.calls.body {
                Body::Object(_) => json_schema(tool).err(),
                Body::Named(named) => match &named.notation {
                    Notation::Json => json_schema(tool).err(),
                    Notation::Python => pieces::python(tool).err(),
                    Notation::Marked(quote) => pieces::marked(tool, quote).err(),
                },
                Body::Tagged(tagged) => tagged_shape::arguments(tagged, tool).err(),
            };
            let tool = tool.name.clone();
            reason.map(|reason| NotEnforced { tool, reason })
        });
        refused.collect()
    }

    /// The reasoning before an answer.
    fn reasoning_shape(&self, reasoning: Reasoning) -> Vec<Shape> {
        let Some(Around { begin, end }) = &self.reasoning else {
            return Vec::new();
        };
        let rest = [
            Shape::Without(vec![end.trim().to_owned()]),
            Shape::Literal(end.trim_start().to_owned()),
        ];
        match reasoning {
            Reasoning::Absent => Vec::new(),
            Reasoning::Open => rest.to_vec(),
            Reasoning::Possible => {
                let begin = Shape::Literal(begin.trim_end().to_owned());
                vec![optional(all([begin].into_iter().chain(rest).collect()))]
            }
        }
    }

    fn form(&self, form: &OutputForm) -> Shape {
        let Around { begin, end } = &self.text;
        around(begin, Shape::Form(form.clone()), end)
    }

    fn free_text(&self, tools: &Tools) -> Shape {
        let mut without = self.calls.shape_triggers(tools);
        let end = self.text.end.trim();
        without.extend((!end.is_empty()).then(|| end.to_owned()));
        let Around { begin, end } = &self.text;
        around(begin, Shape::Without(without), end)
    }

    fn text_then_calls(&self, tools: &Tools) -> Shape {
        let calls = self.calls(tools);
        match self.has_channels {
            // Each message has a header of its own.
            true => Shape::Any(vec![self.free_text(tools), calls]),
            false => match self.text.begin.is_empty() {
                true => all(vec![self.free_text(tools), optional(calls)]),
                false => all(vec![optional(self.free_text(tools)), optional(calls)]),
            },
        }
    }

    /// The calls of an answer: at least one.
    fn calls(&self, tools: &Tools) -> Shape {
        let calls = &self.calls;
        let each = callable(tools).map(|tool| calls.one(tool, is_enforced(tool, tools)));
        let one = any(each.collect());
        let more = all([literal(&calls.separator), vec![one.clone()]].concat());
        let mut parts = vec![one];
        if tools.parallel && !calls.is_single {
            parts.push(Shape::Repeat {
                shape: Box::new(more),
                least: 0,
                most: None,
            });
        }
        around(&calls.section.begin, all(parts), &calls.section.end)
    }
}

impl Calls {
    /// What begins a call within text, for a shape: the marker, or what text would hardly have.
    fn shape_triggers(&self, tools: &Tools) -> Vec<String> {
        let triggers = self.triggers();
        let is_bracket = |trigger: &String| trigger == "[";
        match &self.body {
            Body::Object(keys) if triggers.is_empty() => vec![keys.before_name()],
            Body::Named(_) if triggers.iter().all(is_bracket) => {
                let begin = |tool: &Tool| format!("[{}(", tool.name);
                tools.list.iter().map(begin).collect()
            }
            Body::Object(_) | Body::Named(_) | Body::Tagged(_) => triggers,
        }
    }

    /// A call of a tool.
    fn one(&self, tool: &Tool, is_enforced: bool) -> Shape {
        let body = match &self.body {
            Body::Object(keys) => keys.shape(tool, is_enforced),
            Body::Named(named) => named.shape(tool, is_enforced),
            Body::Tagged(tagged) => {
                let enforced = is_enforced.then(|| tagged_shape::arguments(tagged, tool));
                let arguments = match enforced {
                    Some(Ok(arguments)) => arguments,
                    Some(Err(_)) | None => tagged_shape::any_arguments(tagged, tool),
                };
                let name = [tool.name.as_str(), &tagged.name_end].concat();
                all(vec![Shape::Literal(name), arguments])
            }
        };
        around(&self.each.begin, body, &self.each.end)
    }
}

impl Keys {
    fn before_name(&self) -> String {
        format!("{{\"{}\": \"", self.name)
    }

    fn shape(&self, tool: &Tool, is_enforced: bool) -> Shape {
        let (first, last) = match &self.id {
            Some(id) if id.is_first => (Some(&id.key), None),
            Some(id) => (None, Some(&id.key)),
            None => (None, None),
        };
        let name = serde_json::Value::from(tool.name.as_str()).to_string();
        let Self {
            name: name_key,
            arguments: arguments_key,
            ..
        } = self;
        let named = format!("\"{name_key}\": {name}, \"{arguments_key}\": ");
        let mut parts = match first {
            Some(key) => vec![
                Shape::Literal(format!("{{\"{key}\": \"")),
                matching(ANY_ID),
                Shape::Literal(format!("\", {named}")),
            ],
            None => vec![Shape::Literal(format!("{{{named}"))],
        };
        parts.push(json_arguments(tool, is_enforced));
        match last {
            Some(key) => parts.extend([
                Shape::Literal(format!(", \"{key}\": \"")),
                matching(ID),
                Shape::Literal("\"}".to_owned()),
            ]),
            None => parts.push(Shape::Literal("}".to_owned())),
        }
        all(parts)
    }
}

impl Named {
    fn shape(&self, tool: &Tool, is_enforced: bool) -> Shape {
        let mut parts = match &self.id {
            NamedId::Absent => literal(&format!("{}{}", tool.name, self.between)),
            NamedId::Before(marker) => {
                let named = [marker.as_str(), &tool.name, &self.between].concat();
                vec![matching(ANY_ID), Shape::Literal(named)]
            }
            NamedId::After(marker) => {
                let id = all(vec![Shape::Literal(marker.clone()), matching(ID)]);
                let between = literal(&self.between);
                [literal(&tool.name), vec![optional(id)], between].concat()
            }
            NamedId::WithName => vec![
                Shape::Literal(format!("functions.{}:", tool.name)),
                matching("[0-9]{1,3}"),
                Shape::Literal(self.between.clone()),
            ],
        };
        parts.push(match (&self.notation, is_enforced) {
            (Notation::Json, _) => json_arguments(tool, is_enforced),
            (Notation::Python, true) => {
                pieces::python(tool).unwrap_or_else(|_| pieces::any_python())
            }
            (Notation::Python, false) => pieces::any_python(),
            (Notation::Marked(quote), true) => {
                pieces::marked(tool, quote).unwrap_or_else(|_| pieces::any_marked(quote))
            }
            (Notation::Marked(quote), false) => pieces::any_marked(quote),
        });
        all(parts)
    }
}

/// What an id may be.
const ANY_ID: &str = "[a-zA-Z0-9_-]{1,16}";

/// What an id of Mistral's may be.
const ID: &str = "[a-zA-Z0-9]{9}";

/// The tools that may be called.
fn callable(tools: &Tools) -> impl Iterator<Item = &Tool> {
    let is_callable = |tool: &&Tool| match &tools.choice {
        ToolChoice::Named(name) => tool.name == *name,
        ToolChoice::Auto | ToolChoice::None | ToolChoice::Required => true,
    };
    tools.list.iter().filter(is_callable)
}

fn is_enforced(tool: &Tool, tools: &Tools) -> bool {
    match &tools.choice {
        ToolChoice::None => false,
        ToolChoice::Auto => tool.strict,
        ToolChoice::Required | ToolChoice::Named(_) => true,
    }
}

/// Arguments in JSON.
fn json_arguments(tool: &Tool, is_enforced: bool) -> Shape {
    const ANY: &str = r#"{"type": "object"}"#;
    let schema = is_enforced.then(|| json_schema(tool).ok()).flatten();
    Shape::Json(schema.unwrap_or_else(|| ANY.to_owned()))
}

/// The schema of a tool's arguments, which are an object whether or not it says so.
///
/// # Errors
///
/// It wants something else.
fn json_schema(tool: &Tool) -> Result<String, String> {
    const NONE: &str = r#"{"type": "object", "properties": {}, "additionalProperties": false}"#;
    let Some(text) = &tool.parameters else {
        return Ok(NONE.to_owned());
    };
    let Ok(Data::Object(mut schema)) = Data::read(text) else {
        return Err("it is no JSON object".to_owned());
    };
    match schema.get("type") {
        Some(kind) if kind.as_text() == Some("object") => Ok(text.clone()),
        Some(_) => Err("its type is not `object`, which arguments are".to_owned()),
        None => {
            schema.insert("type".to_owned(), Data::text("object"));
            jinja::json_text(&Data::Object(schema)).ok_or_else(|| "it is no JSON".to_owned())
        }
    }
}

pub(super) fn matching(regex: &str) -> Shape {
    Shape::Form(OutputForm::Regex(regex.to_owned()))
}

/// A literal, unless it is empty.
pub(super) fn literal(text: &str) -> Vec<Shape> {
    match text.is_empty() {
        true => Vec::new(),
        false => vec![Shape::Literal(text.to_owned())],
    }
}

fn around(begin: &str, shape: Shape, end: &str) -> Shape {
    all([literal(begin), vec![shape], literal(end)].concat())
}

/// One after another. Literals that are neighbours are one.
pub(super) fn all(parts: Vec<Shape>) -> Shape {
    let mut joined: Vec<Shape> = Vec::with_capacity(parts.len());
    for part in parts {
        let inner = match part {
            Shape::All(inner) => inner,
            one => vec![one],
        };
        for part in inner {
            match (joined.last_mut(), part) {
                (Some(Shape::Literal(last)), Shape::Literal(more)) => last.push_str(&more),
                (_, part) => joined.push(part),
            }
        }
    }
    match joined.len() {
        1 => joined.remove(0),
        _ => Shape::All(joined),
    }
}

pub(super) fn any(mut shapes: Vec<Shape>) -> Shape {
    match shapes.len() {
        1 => shapes.remove(0),
        _ => Shape::Any(shapes),
    }
}

pub(super) fn optional(shape: Shape) -> Shape {
    Shape::Repeat {
        shape: Box::new(shape),
        least: 0,
        most: Some(1),
    }
}
