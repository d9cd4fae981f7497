//! The small conversations that templates are asked about, of texts that occur nowhere else.

use super::{ArgumentForm, Content};
use crate::data::Data;
use crate::typed::{self, function_call, function_tool};

pub(super) const SYSTEM: &str = "mynahsystem";
pub(super) const SECOND: &str = "mynahsecond";
pub(crate) const USER: &str = "mynahuser";
pub(crate) const ANSWER: &str = "mynahanswer";
pub(super) const TOOL: &str = "mynahtool";
pub(super) const CALL: &str = "mynahcall";
pub(super) const KEY: &str = "mynahkey";
pub(super) const VALUE: &str = "mynahvalue";
pub(super) const RESULT: &str = "mynahresult";
pub(crate) const THOUGHT: &str = "mynahthought";
/// A role that no template knows.
pub(super) const ROLE: &str = "mynahrole";

/// A content in the form that a template reads.
pub(crate) fn content(text: &str, form: Content) -> Data {
    match form {
        Content::Text => Data::text(text),
        Content::Parts if text.is_empty() => Data::List(Vec::new()),
        Content::Parts => Data::List(vec![text_part(text)]),
    }
}

/// A part of a content.
pub(crate) fn text_part(text: &str) -> Data {
    Data::object([("type", Data::text("text")), ("text", Data::text(text))])
}

/// A message with this content.
pub(crate) fn message(role: &str, content: Data) -> Data {
    Data::object([("role", Data::text(role)), ("content", content)])
}

pub(super) fn tools() -> Data {
    Data::List(vec![tool(TOOL)])
}

/// A tool of this name.
pub(crate) fn tool(name: &str) -> Data {
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
    function_tool(name, name, Data::object(parameters))
}

/// Some templates want nine characters.
const ID: &str = "callmynah";

/// A call of the tool of this name with this value.
pub(super) fn call(name: &str, value: &str, form: ArgumentForm) -> Data {
    let arguments = match form {
        ArgumentForm::Object => Data::object([(KEY, Data::text(value))]),
        ArgumentForm::Text => Data::Text(format!("{{\"{KEY}\": \"{value}\"}}")),
    };
    function_call(ID, name, arguments)
}

/// A message that calls a tool, beside this content.
pub(super) fn calling(beside: Data, form: ArgumentForm) -> Data {
    typed::calling(beside, vec![call(CALL, VALUE, form)])
}

/// A question, a call, its result, the answer, and a question.
pub(super) fn called(call: Data, form: Content) -> Vec<Data> {
    vec![
        message("user", content(USER, form)),
        call,
        result(form),
        message("assistant", content(ANSWER, form)),
        message("user", content(USER, form)),
    ]
}

/// The result of that call.
pub(super) fn result(form: Content) -> Data {
    Data::object([
        ("role", Data::text("tool")),
        ("content", content(RESULT, form)),
        ("tool_call_id", Data::text(ID)),
        ("name", Data::text(TOOL)),
    ])
}
