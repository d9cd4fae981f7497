//! Gives a conversation the form that a template can carry.

use std::fmt;

use super::calls::{has_several, has_unusual_id, rename_ids, split};
use super::data::{Data, Object};
use super::jinja;
use super::probe::{Abilities, ArgumentForm, Calls, Content, Render, content, message};

/// What was moved so that the template carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// The system message, into the first message of the user.
    System,
    /// Several system messages at the beginning, into one.
    SeveralSystems,
    /// A system message after others, into the user's next message.
    LateSystem,
    /// The tools, into the system message.
    Tools,
    /// The calls of tools, into the content of their message.
    Calls,
    /// The results of tools, into messages of the user.
    Results,
    /// A developer's message, into a system message.
    Developer,
    /// The reasoning of earlier answers, away.
    Reasoning,
    /// Each of several calls of a message, into a message of its own.
    SeveralCalls,
    /// The ids of calls, to others.
    CallIds,
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => {
                "the chat template takes no system message: it is put before the first message of \
                 the user"
            }
            Self::SeveralSystems => {
                "the chat template takes one system message: several are joined to one"
            }
            Self::LateSystem => {
                "the chat template takes no system message after others: it is put before the next \
                 message of the user"
            }
            Self::Tools => {
                "the chat template takes no tools: they are described in the system message"
            }
            Self::Calls => {
                "the chat template takes no calls of tools: they are written as JSON into the \
                 content of their message"
            }
            Self::Results => {
                "the chat template takes no results of tools: they are given as messages of the \
                 user"
            }
            Self::Developer => {
                "the chat template takes no such message of the role `developer`: it is given as a \
                 system message"
            }
            Self::Reasoning => {
                "the chat template takes no reasoning of earlier answers: it is left out"
            }
            Self::SeveralCalls => {
                "the chat template takes one call a message: each of several is given in a message \
                 of its own, with its result behind it"
            }
            Self::CallIds => {
                "the chat template takes ids of nine letters and digits only: calls and results \
                 are given others"
            }
        })
    }
}

/// What stands before the tools in a system message, one on each line.
const TOOLS: &str = "You can call tools. To call one, answer only with a JSON object of its \
    name and its arguments, such as {\"name\": \"tool\", \"arguments\": {\"key\": \
    \"value\"}}. These are the tools:";

/// Gives contents in several parts, and contents that are none, the form that the template takes.
/// With `joins`, parts become one text, except for those of answers, which are never moved.
pub(super) fn form_all_parts(
    messages: &mut [Data],
    joins: bool,
    abilities: &Abilities,
    render: Render<'_>,
) {
    for message in messages {
        let role = message.get("role").and_then(Data::as_text);
        let is_changed = match message.get("content") {
            Some(Data::List(_)) => {
                let joins = joins && role != Some("assistant");
                joins || !role.is_some_and(|role| abilities.parts(role, render))
            }
            Some(Data::Null) => !has_calls(message) && !abilities.no_content(render),
            _ => false,
        };
        if is_changed {
            let whole = text(message);
            set_content(message, whole);
        }
    }
}

/// Gives developers' messages as system messages, where the template does not know that role.
/// Returns whether it did. With `merges`, it also does that where there are system messages beside
/// them: templates know one of both.
pub(super) fn form_developers(
    messages: &mut [Data],
    merges: bool,
    abilities: &Abilities,
    render: Render<'_>,
) -> bool {
    let count = |role| messages.iter().filter(|of| has_role(of, role)).count();
    let (developers, systems) = (count("developer"), count("system"));
    let are_known = || abilities.developer(render) && !(merges && developers + systems > 1);
    if developers == 0 || are_known() {
        return false;
    }
    let of = messages.iter_mut().filter(|of| has_role(of, "developer"));
    for of in of.filter_map(Data::as_object_mut) {
        of.insert("role".to_owned(), Data::text("system"));
    }
    true
}

/// Gives the calls in messages the form that the template takes.
pub(super) fn form_all_calls(messages: &mut [Data], abilities: &Abilities, render: Render<'_>) {
    if !messages.iter().any(has_calls) {
        return;
    }
    let calls = abilities.calls(render);
    if calls.are_carried() {
        let callers = messages.iter_mut().filter(|message| has_calls(message));
        callers.for_each(|message| form_calls(message, calls));
    }
}

/// Moves what the template does not carry in its place, and adds to `moved` what that was.
pub(super) fn move_parts(
    messages: &mut Vec<Data>,
    tools: &mut Data,
    abilities: &Abilities,
    render: Render<'_>,
    moved: &mut Vec<Moved>,
) {
    let has_tools = tools.as_list().is_some_and(|tools| !tools.is_empty());
    if has_tools && !abilities.tools(render) {
        move_tools(messages, tools);
        moved.push(Moved::Tools);
    }
    move_systems(messages, abilities, render, moved);
    if messages.iter().any(has_calls) {
        move_calls(messages, abilities, render, moved);
    }
    let has_results = messages.iter().any(|message| has_role(message, "tool"));
    if has_results && !abilities.results(render) {
        move_results(messages);
        moved.push(Moved::Results);
    }
}

fn move_calls(
    messages: &mut Vec<Data>,
    abilities: &Abilities,
    render: Render<'_>,
    moved: &mut Vec<Moved>,
) {
    if !abilities.calls(render).are_carried() {
        let callers = messages.iter_mut().filter(|message| has_calls(message));
        callers.for_each(write_calls);
        moved.push(Moved::Calls);
        return;
    }
    if messages.iter().any(has_several) && !abilities.several_calls(render) {
        split(messages);
        moved.push(Moved::SeveralCalls);
    }
    if messages.iter().any(has_unusual_id) && !abilities.any_id(render) {
        rename_ids(messages);
        moved.push(Moved::CallIds);
    }
}

/// Gives the calls of a message the form that the template takes.
fn form_calls(message: &mut Data, calls: Calls) {
    let form = change_arguments(message, |given| calls.arguments(given));
    let form = form.unwrap_or(ArgumentForm::Object);
    let content = message.as_object_mut().and_then(|of| of.get_mut("content"));
    match content {
        Some(content) if content.as_text() == Some("") && calls.need_none(form) => {
            *content = Data::Null;
        }
        Some(content @ Data::Null) if calls.need_text(form) => *content = Data::text(""),
        _ => {}
    }
}

/// Describes the tools in the system message at the beginning.
fn move_tools(messages: &mut Vec<Data>, tools: &mut Data) {
    let mut text = TOOLS.to_owned();
    for tool in tools.as_list().unwrap_or_default() {
        text.push('\n');
        text.push_str(&jinja::json_text(tool).unwrap_or_default());
    }
    *tools = Data::Null;
    match messages.first_mut() {
        Some(first) if has_role(first, "system") => append(first, &text),
        _ => messages.insert(0, message("system", Data::Text(text))),
    }
}

/// Writes the calls of a message as JSON behind its content.
fn write_calls(message: &mut Data) {
    let calls = calls(message).iter().map(|call| {
        let function = call.get("function").unwrap_or(call);
        let mut written = Object::new();
        for key in ["name", "arguments"] {
            let value = match function.get(key) {
                Some(Data::Text(text)) if key == "arguments" => Data::read(text).ok(),
                _ => None,
            };
            let value = value.or_else(|| function.get(key).cloned());
            written.extend(value.map(|value| (key.to_owned(), value)));
        }
        jinja::json_text(&Data::Object(written)).unwrap_or_default()
    });
    let calls: Vec<String> = calls.collect();
    let calls = calls.join("\n");
    append(message, &calls);
    if let Some(of) = message.as_object_mut() {
        of.shift_remove("tool_calls");
    }
}

/// Gives the results of tools as messages of the user, those of one turn as one.
fn move_results(messages: &mut Vec<Data>) {
    let mut is_after_result = false;
    let mut rest: Vec<Data> = Vec::with_capacity(messages.len());
    for mut message in std::mem::take(messages) {
        let is_result = has_role(&message, "tool");
        if is_result {
            let name = message.get("name").and_then(Data::as_text);
            let of = name.map_or_else(|| "a tool".to_owned(), |name| format!("the tool {name}"));
            let result = format!("Result of {of}:\n{}", text(&message));
            match rest.last_mut().filter(|_| is_after_result) {
                Some(last) => append(last, &result),
                None => {
                    set_content(&mut message, result);
                    if let Some(of) = message.as_object_mut() {
                        of.insert("role".to_owned(), Data::text("user"));
                    }
                    rest.push(message);
                }
            }
        } else {
            rest.push(message);
        }
        is_after_result = is_result;
    }
    *messages = rest;
}

/// Gives contents the form that the template reads.
pub(super) fn form_contents(messages: &mut [Data], form: Content) {
    if form == Content::Text {
        return;
    }
    for of in messages.iter_mut().filter_map(Data::as_object_mut) {
        if let Some(text) = of.get("content").and_then(Data::as_text) {
            let parts = content(text, form);
            of.insert("content".to_owned(), parts);
        }
    }
}

fn move_systems(
    messages: &mut Vec<Data>,
    abilities: &Abilities,
    render: Render<'_>,
    moved: &mut Vec<Moved>,
) {
    let first = messages
        .iter()
        .take_while(|message| has_role(message, "system"))
        .count();
    let has_late = messages
        .iter()
        .skip(first)
        .any(|message| has_role(message, "system"));
    if has_late && !abilities.late_system(render) && move_late(messages, first) {
        moved.push(Moved::LateSystem);
    }
    let is_moved = first > 0 && !abilities.system(render);
    if first > 1 && (is_moved || !abilities.several_systems(render)) {
        let texts: Vec<String> = messages.drain(1..first).map(|of| text(&of)).collect();
        if let Some(one) = messages.first_mut() {
            for text in texts {
                append(one, &text);
            }
        }
        moved.push(Moved::SeveralSystems);
    }
    if is_moved && let Some(user) = messages.iter().position(|of| has_role(of, "user")) {
        let system = messages.remove(0);
        if let Some(user) = messages.get_mut(user - 1) {
            prepend(user, &text(&system));
        }
        moved.push(Moved::System);
    }
}

/// Moves each system message after the first ones into the user's next message, or the one before.
fn move_late(messages: &mut Vec<Data>, first: usize) -> bool {
    let has_user = messages.iter().any(|message| has_role(message, "user"));
    if !has_user {
        return false;
    }
    let mut waiting = Vec::new();
    let mut rest: Vec<Data> = Vec::with_capacity(messages.len());
    for (at, mut message) in std::mem::take(messages).into_iter().enumerate() {
        if at >= first && has_role(&message, "system") {
            waiting.push(text(&message));
            continue;
        }
        if has_role(&message, "user") {
            while let Some(text) = waiting.pop() {
                prepend(&mut message, &text);
            }
        }
        rest.push(message);
    }
    let last = rest
        .iter_mut()
        .rev()
        .find(|message| has_role(message, "user"));
    if let Some(last) = last {
        for text in waiting {
            append(last, &text);
        }
    }
    *messages = rest;
    true
}

pub(super) fn has_role(message: &Data, role: &str) -> bool {
    message.get("role").and_then(Data::as_text) == Some(role)
}

/// The calls of a message.
pub(super) fn calls(message: &Data) -> &[Data] {
    let calls = message.get("tool_calls").and_then(Data::as_list);
    calls.unwrap_or_default()
}

pub(super) fn has_calls(message: &Data) -> bool {
    !calls(message).is_empty()
}

/// The content of a message as one text.
fn text(message: &Data) -> String {
    message
        .get("content")
        .map_or_else(String::new, joined_parts)
}

/// A content as one text, its parts on lines of their own.
pub(super) fn joined_parts(content: &Data) -> String {
    match content {
        Data::List(parts) => {
            let texts = parts.iter().filter_map(|part| part.get("text")?.as_text());
            texts.collect::<Vec<_>>().join("\n")
        }
        content => content.as_text().unwrap_or_default().to_owned(),
    }
}

/// The texts of a content.
pub(super) fn texts_mut(content: &mut Data) -> Vec<&mut String> {
    match content {
        Data::Text(text) => vec![text],
        Data::List(parts) => {
            let parts = parts.iter_mut().filter_map(Data::as_object_mut);
            let texts = parts.filter_map(|part| match part.get_mut("text") {
                Some(Data::Text(text)) => Some(text),
                _ => None,
            });
            texts.collect()
        }
        _ => Vec::new(),
    }
}

fn prepend(message: &mut Data, before: &str) {
    let whole = joined(before, &text(message));
    set_content(message, whole);
}

fn append(message: &mut Data, after: &str) {
    let whole = joined(&text(message), after);
    set_content(message, whole);
}

fn joined(first: &str, second: &str) -> String {
    match first.is_empty() || second.is_empty() {
        true => [first, second].concat(),
        false => [first, "\n\n", second].concat(),
    }
}

fn set_content(message: &mut Data, text: String) {
    if let Some(of) = message.as_object_mut() {
        of.insert("content".to_owned(), Data::Text(text));
    }
}

/// The part of a call that has name and arguments.
pub(super) fn function_mut(call: &mut Data) -> Option<&mut Object> {
    let of = call.as_object_mut()?;
    match of.get("function") {
        Some(Data::Object(_)) => of.get_mut("function")?.as_object_mut(),
        _ => Some(of),
    }
}

/// Changes the form of the arguments of all calls. Returns the form of the last one.
fn change_arguments(
    message: &mut Data,
    wanted: impl Fn(ArgumentForm) -> ArgumentForm,
) -> Option<ArgumentForm> {
    let calls = message.as_object_mut()?.get_mut("tool_calls")?;
    let mut last = None;
    for call in calls.as_list_mut()? {
        let arguments = function_mut(call).and_then(|of| of.get_mut("arguments"));
        let Some(arguments) = arguments else {
            continue;
        };
        let given = match arguments {
            Data::Text(_) => ArgumentForm::Text,
            _ => ArgumentForm::Object,
        };
        let wanted = wanted(given);
        let changed = match (given, wanted, arguments.as_text()) {
            (ArgumentForm::Text, ArgumentForm::Object, Some(text)) => Data::read(text).ok(),
            (ArgumentForm::Object, ArgumentForm::Text, _) => {
                jinja::json_text(arguments).map(Data::Text)
            }
            _ => None,
        };
        if let Some(changed) = changed {
            *arguments = changed;
        }
        last = Some(wanted);
    }
    last
}
