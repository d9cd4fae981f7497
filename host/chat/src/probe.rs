//! Finds out what a template can carry, by rendering small conversations of marked texts with it.
//!
//! Templates don't say what they can do. A text that a template leaves out, or a conversation that
//! it refuses, shows what it lacks. Each question is asked once for each template, when the first
//! conversation needs the answer.

use std::cmp::Ordering;
use std::sync::OnceLock;

use super::data::Data;

/// Renders messages and tools with a template, within small limits.
pub(super) type Render<'a> = &'a dyn Fn(Vec<Data>, Option<Data>) -> Result<String, String>;

/// What a template can carry. Empty answers have not been needed yet.
#[derive(Debug, Default)]
pub(super) struct Abilities {
    content: OnceLock<Content>,
    system: OnceLock<bool>,
    several_systems: OnceLock<bool>,
    late_system: OnceLock<bool>,
    tools: OnceLock<bool>,
    calls: OnceLock<Calls>,
    results: OnceLock<bool>,
}

/// The form of a message's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Text,
    /// A list of parts, each with a type.
    Parts,
}

/// How far a template carries the call of a tool, by the form of its parts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Calls {
    /// With an empty content beside it, and with none.
    empty: Arguments,
    none: Arguments,
}

/// How far a call arrives with its arguments as an object, and as text.
#[derive(Debug, Clone, Copy, Default)]
struct Arguments {
    object: Carried,
    text: Carried,
}

/// How much of a call arrives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Carried {
    #[default]
    Nothing,
    /// Its name or its arguments.
    Part,
    Whole,
}

/// The form of a call's arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ArgumentForm {
    Object,
    Text,
}

impl Calls {
    /// The form of the arguments that the template takes: the given one, if both arrive.
    pub(super) fn arguments(self, given: ArgumentForm) -> ArgumentForm {
        let object = self.empty.object.max(self.none.object);
        let text = self.empty.text.max(self.none.text);
        match object.cmp(&text) {
            Ordering::Less => ArgumentForm::Text,
            Ordering::Equal => given,
            Ordering::Greater => ArgumentForm::Object,
        }
    }

    /// Whether an empty content beside calls must be none, so that they are carried.
    pub(super) fn need_none(self, form: ArgumentForm) -> bool {
        self.none.of(form) > self.empty.of(form)
    }

    /// Whether calls are carried at all.
    pub(super) fn are_carried(self) -> bool {
        self.best() > Carried::Nothing
    }

    fn best(self) -> Carried {
        let (empty, none) = (self.empty, self.none);
        empty.object.max(empty.text).max(none.object).max(none.text)
    }
}

impl Arguments {
    fn of(self, form: ArgumentForm) -> Carried {
        match form {
            ArgumentForm::Object => self.object,
            ArgumentForm::Text => self.text,
        }
    }
}

const SYSTEM: &str = "mynahsystem";
const SECOND: &str = "mynahsecond";
const USER: &str = "mynahuser";
const ANSWER: &str = "mynahanswer";
const TOOL: &str = "mynahtool";
const CALL: &str = "mynahcall";
const KEY: &str = "mynahkey";
const VALUE: &str = "mynahvalue";
const RESULT: &str = "mynahresult";

impl Abilities {
    /// The form of content that the template reads.
    pub(super) fn content(&self, render: Render<'_>) -> Content {
        *self.content.get_or_init(|| {
            let carries = |form: Content, with_system: bool| {
                let mut messages = vec![message("user", content(USER, form))];
                if with_system {
                    messages.insert(0, message("system", content(SYSTEM, form)));
                }
                has_all(render(messages, None), &[USER])
            };
            let reads = |form| carries(form, false) || carries(form, true);
            match !reads(Content::Text) && reads(Content::Parts) {
                true => Content::Parts,
                false => Content::Text,
            }
        })
    }

    /// Whether a system message at the beginning is carried.
    pub(super) fn system(&self, render: Render<'_>) -> bool {
        *self.system.get_or_init(|| {
            let form = self.content(render);
            let messages = vec![
                message("system", content(SYSTEM, form)),
                message("user", content(USER, form)),
            ];
            has_all(render(messages, None), &[SYSTEM, USER])
        })
    }

    /// Whether all of several system messages at the beginning are carried.
    pub(super) fn several_systems(&self, render: Render<'_>) -> bool {
        *self.several_systems.get_or_init(|| {
            let form = self.content(render);
            let messages = vec![
                message("system", content(SYSTEM, form)),
                message("system", content(SECOND, form)),
                message("user", content(USER, form)),
            ];
            has_all(render(messages, None), &[SYSTEM, SECOND, USER])
        })
    }

    /// Whether a system message after others is carried.
    pub(super) fn late_system(&self, render: Render<'_>) -> bool {
        *self.late_system.get_or_init(|| {
            let form = self.content(render);
            let messages = vec![
                message("system", content(SYSTEM, form)),
                message("user", content(USER, form)),
                message("assistant", content(ANSWER, form)),
                message("system", content(SECOND, form)),
                message("user", content(USER, form)),
            ];
            has_all(render(messages, None), &[SECOND])
        })
    }

    /// Whether tools are carried.
    pub(super) fn tools(&self, render: Render<'_>) -> bool {
        *self.tools.get_or_init(|| {
            let form = self.content(render);
            let carries = |messages| has_all(render(messages, Some(tools())), &[TOOL]);
            let user = message("user", content(USER, form));
            let system = message("system", content(SYSTEM, form));
            carries(vec![user.clone()]) || carries(vec![system, user])
        })
    }

    /// In which forms the calls of tools are carried.
    pub(super) fn calls(&self, render: Render<'_>) -> Calls {
        *self.calls.get_or_init(|| {
            let form = self.content(render);
            let tools = || self.tools(render).then(tools);
            let arguments = |empty: &Data| {
                let carries = |form_of: ArgumentForm| {
                    let messages = called(calling(empty.clone(), form_of), form);
                    let text = render(messages, tools());
                    text.map_or(Carried::Nothing, |text| carried(&text, form_of))
                };
                Arguments {
                    object: carries(ArgumentForm::Object),
                    text: carries(ArgumentForm::Text),
                }
            };
            Calls {
                empty: arguments(&content("", form)),
                none: arguments(&Data::Null),
            }
        })
    }

    /// Whether the results of tools are carried.
    pub(super) fn results(&self, render: Render<'_>) -> bool {
        *self.results.get_or_init(|| {
            let form = self.content(render);
            let calls = self.calls(render);
            let arguments = calls.arguments(ArgumentForm::Object);
            let call = match (calls.are_carried(), calls.need_none(arguments)) {
                (true, true) => calling(Data::Null, arguments),
                (true, false) => calling(content("", form), arguments),
                (false, _) => message("assistant", content(CALL, form)),
            };
            let tools = self.tools(render).then(tools);
            has_all(render(called(call, form), tools), &[RESULT])
        })
    }
}

/// A content in the form that a template reads.
pub(super) fn content(text: &str, form: Content) -> Data {
    match form {
        Content::Text => Data::text(text),
        Content::Parts if text.is_empty() => Data::List(Vec::new()),
        Content::Parts => {
            let part = [("type", Data::text("text")), ("text", Data::text(text))];
            Data::List(vec![Data::object(part)])
        }
    }
}

fn has_all(rendered: Result<String, String>, texts: &[&str]) -> bool {
    rendered.is_ok_and(|rendered| texts.iter().all(|text| rendered.contains(text)))
}

/// How much of the call is there. Its arguments must be JSON, or what the template makes of them:
/// neither Python's way to print a dictionary, nor JSON within a JSON text.
fn carried(text: &str, form: ArgumentForm) -> Carried {
    let is_foreign = match form {
        ArgumentForm::Object => text.contains(&format!("{{'{KEY}'")),
        ArgumentForm::Text => text.contains(&format!("\\\"{KEY}\\\"")),
    };
    match (text.contains(CALL), text.contains(VALUE) && !is_foreign) {
        (true, true) => Carried::Whole,
        (false, false) => Carried::Nothing,
        (true, false) | (false, true) => Carried::Part,
    }
}

/// A message with this content.
pub(super) fn message(role: &str, content: Data) -> Data {
    Data::object([("role", Data::text(role)), ("content", content)])
}

fn tools() -> Data {
    Data::List(vec![tool(TOOL)])
}

/// A tool of this name.
pub(super) fn tool(name: &str) -> Data {
    let key = [
        ("type", Data::text("string")),
        ("description", Data::text(name)),
    ];
    let key = Data::object([(KEY, Data::object(key))]);
    let parameters = [
        ("type", Data::text("object")),
        ("properties", key),
        ("required", Data::List(vec![Data::text(KEY)])),
    ];
    let function = [
        ("name", Data::text(name)),
        ("description", Data::text(name)),
        ("parameters", Data::object(parameters)),
    ];
    Data::object([
        ("type", Data::text("function")),
        ("function", Data::object(function)),
    ])
}

/// Some templates want nine characters.
const ID: &str = "callmynah";

/// A message that calls a tool, beside this content.
fn calling(beside: Data, form: ArgumentForm) -> Data {
    let arguments = match form {
        ArgumentForm::Object => Data::object([(KEY, Data::text(VALUE))]),
        ArgumentForm::Text => Data::Text(format!("{{\"{KEY}\": \"{VALUE}\"}}")),
    };
    let function = Data::object([("name", Data::text(CALL)), ("arguments", arguments)]);
    let call = Data::object([
        ("id", Data::text(ID)),
        ("type", Data::text("function")),
        ("function", function),
    ]);
    Data::object([
        ("role", Data::text("assistant")),
        ("content", beside),
        ("tool_calls", Data::List(vec![call])),
    ])
}

/// A question, a call, its result, the answer, and a question.
fn called(call: Data, form: Content) -> Vec<Data> {
    let result = Data::object([
        ("role", Data::text("tool")),
        ("content", content(RESULT, form)),
        ("tool_call_id", Data::text(ID)),
        ("name", Data::text(TOOL)),
    ]);
    vec![
        message("user", content(USER, form)),
        call,
        result,
        message("assistant", content(ANSWER, form)),
        message("user", content(USER, form)),
    ]
}
